/** A cluster that failed: why, and what to do about it. */

import { errorIcon } from '@jupyterlab/ui-components';
import * as React from 'react';

import { useFocusLeft } from '../section';
import { sentence, useTrans } from '../view';
import { ILogs } from './actions';
import { fullTitle, title } from './format';
import { Failure } from './models';

interface IFailureCard {
  failure: Failure;
  logs: ILogs | null;
  onDismiss: () => void;
  onRetry: () => void;
}

export function FailureCard(props: IFailureCard): React.ReactElement {
  const { failure, logs, onDismiss, onRetry } = props;
  const trans = useTrans();
  const item = React.useRef<HTMLLIElement>(null);
  useFocusLeft(item);
  return (
    <li ref={item} className="casita-Card casita-mod-failed" data-failure={failure.name}>
      <div className="casita-Card-title">
        <h3 title={fullTitle(failure)}>{title(failure)}</h3>
        <span className="casita-State">
          <errorIcon.react tag="span" width="12px" height="12px" aria-hidden="true" />
          {trans.__('failed')}
        </span>
      </div>
      <div>{sentence(failure.reason)}</div>
      {failure.hint && <div className="casita-Message-hint">{sentence(failure.hint)}</div>}
      {failure.tail && (
        <details>
          <summary>{trans.__('End of the log of %1', failure.process)}</summary>
          <pre tabIndex={0}>{failure.tail}</pre>
        </details>
      )}
      <div className="casita-TextButtons">
        <button type="button" onClick={onRetry}>
          {trans.__('Try again…')}
        </button>
        {logs && (
          <button type="button" onClick={() => logs.open(failure.name, title(failure))}>
            {trans.__('Logs')}
          </button>
        )}
        <button type="button" onClick={onDismiss}>
          {trans.__('Dismiss')}
        </button>
      </div>
    </li>
  );
}
