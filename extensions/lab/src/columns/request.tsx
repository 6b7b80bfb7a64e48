/** One request: how far it is, and what can be done with it. */

import {
  caretDownIcon,
  caretRightIcon,
  codeIcon,
  copyIcon,
  deleteIcon,
  LabIcon,
  refreshIcon,
  stopIcon
} from '@jupyterlab/ui-components';
import * as React from 'react';

import { IconButton } from '../button';
import { useObservable } from '../observable';
import { useFocusLeft } from '../section';
import { useTrans } from '../view';
import { sizeText } from '../words';
import { Details } from './details';
import { factsText, isDone, requestTitle, stateText, toneOf } from './format';
import { RequestState } from './models';
import { Operations } from './operations';
import { ColumnsStore } from './store';

interface IRequest {
  request: RequestState;
  store: ColumnsStore;
  operations: Operations;
}

export function RequestCard({ request, store, operations }: IRequest): React.ReactElement {
  const trans = useTrans();
  const item = React.useRef<HTMLLIElement>(null);
  useFocusLeft(item);
  useShown(item, request.id, store);
  const opened = useObservable(store.opened).get(request.id);
  const title = requestTitle(request);
  const facts = factsText(request, trans);
  const tone = toneOf(request);
  return (
    <li
      ref={item}
      className="casita-Card casita-Request"
      data-request={request.id}
      data-tone={tone}
      aria-label={title}
    >
      <div className="casita-Card-title">
        <h3 title={title}>
          <Disclosure
            open={opened !== undefined}
            text={title}
            onClick={() => store.toggle(request.id)}
          />
        </h3>
        {request.cached && <Reused />}
        <span className="casita-State">{stateText(request, trans)}</span>
      </div>
      {(tone === 'running' || tone === 'partial') && <Progress request={request} />}
      {facts && <div className="casita-quiet">{facts}</div>}
      {tone === 'bad' && request.trouble && !opened && (
        <div className="casita-Request-trouble">{request.trouble.split('\n')[0]}</div>
      )}
      {opened && <Details request={request} {...opened} />}
      <Buttons request={request} title={title} operations={operations} />
    </li>
  );
}

/** Come into sight, with the focus, when somebody wants to see this one. */
function useShown(item: React.RefObject<HTMLElement>, id: string, store: ColumnsStore): void {
  React.useEffect(() => {
    const look = (_: unknown, wanted: string) => {
      if (wanted === id) {
        item.current!.scrollIntoView({ block: 'nearest' });
        item.current!.querySelector('button')!.focus();
      }
    };
    store.shown.connect(look);
    return () => void store.shown.disconnect(look);
  }, [item, id, store]);
}

interface IDisclosure {
  open: boolean;
  text: string;
  onClick: () => void;
}

function Disclosure({ open, text, onClick }: IDisclosure): React.ReactElement {
  const icon: LabIcon = open ? caretDownIcon : caretRightIcon;
  return (
    <button type="button" className="casita-Disclosure" aria-expanded={open} onClick={onClick}>
      <icon.react tag="span" width="14px" height="14px" aria-hidden="true" />
      <span>{text}</span>
    </button>
  );
}

function Reused(): React.ReactElement {
  const trans = useTrans();
  const why = trans.__('The same was asked for before: its results were there already');
  return (
    <span className="casita-Tag" title={why}>
      {trans.__('reused')}
    </span>
  );
}

/** Which files are delivered, and which failed. */
export function Progress({ request }: { request: RequestState }): React.ReactElement {
  const trans = useTrans();
  const { files, completed, failed } = request;
  const waiting = !files && !isDone(request);
  const text = failed
    ? trans.__('%1 of %2 files delivered, %3 failed', completed, files, failed)
    : trans.__('%1 of %2 files delivered', completed, files);
  const part = (count: number) => ({ width: `${files ? (100 * count) / files : 0}%` });
  return (
    <div
      className="casita-Meter casita-Parts"
      role="progressbar"
      aria-label={trans.__('Files of %1', requestTitle(request))}
      aria-valuemin={0}
      aria-valuemax={Math.max(1, files)}
      aria-valuenow={waiting ? undefined : completed + failed}
      aria-valuetext={waiting ? stateText(request, trans) : text}
      title={text}
      data-waiting={waiting}
    >
      <div style={part(completed)} />
      <div className="casita-mod-failed" style={part(failed)} />
    </div>
  );
}

interface IButtons {
  request: RequestState;
  title: string;
  operations: Operations;
}

function Buttons({ request, title, operations }: IButtons): React.ReactElement {
  const trans = useTrans();
  const label = trans.__('Do with %1', title);
  const removed = request.size
    ? trans.__('Remove, with its %1', sizeText(request.size))
    : trans.__('Remove');
  return (
    <div className="casita-Buttons" role="group" aria-label={label}>
      {operations.inserts && (
        <IconButton
          icon={codeIcon}
          label={trans.__('Insert code that gets the results')}
          disabled={isDone(request) && !request.completed}
          onClick={() => operations.insert(request)}
        />
      )}
      {isDone(request) ? (
        <IconButton
          icon={refreshIcon}
          label={trans.__('Run again: read all files anew')}
          onClick={() => void operations.again(request)}
        />
      ) : (
        <IconButton
          icon={stopIcon}
          label={trans.__('Cancel')}
          onClick={() => void operations.cancel(request)}
        />
      )}
      <IconButton
        icon={copyIcon}
        label={trans.__('Copy ID')}
        onClick={() => operations.copy(request)}
      />
      <IconButton
        icon={deleteIcon}
        label={removed}
        onClick={() => void operations.remove(request)}
      />
    </div>
  );
}
