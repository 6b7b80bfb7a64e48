/** First: which dataset, and a look at what it holds. */

import * as React from 'react';

import { useObservable } from '../observable';
import { Message, Trouble, useTrans } from '../view';
import { sizeText } from '../words';
import { Builder } from './builder';
import { IRefusal } from './draft';
import { countText } from './format';
import { Look } from './models';
import { linesOf, suggestions, troubleOf } from './source';
import { Refused, Step } from './step';

interface IDatasetStep {
  builder: Builder;
  refusal: IRefusal | null;
}

const LINES_MAX = 8;
const SUGGESTED = 5;

export function DatasetStep({ builder, refusal }: IDatasetStep): React.ReactElement {
  const trans = useTrans();
  const { source, looked } = useObservable(builder.draft);
  const { busy, look, error } = useObservable(builder.looked);
  const wrong = troubleOf(source, trans);
  const refused = refusal?.place === 'source' ? refusal : null;
  const id = React.useId();
  const lookAt = () => {
    if (source.trim() && !wrong && !busy) {
      void builder.lookAt();
    }
  };
  return (
    <Step title={trans.__('Dataset')}>
      <label htmlFor={id} className="casita-quiet">
        {trans.__('A name, a pattern, or files: paths or URLs, one a line')}
      </label>
      <textarea
        id={id}
        className="casita-Code"
        rows={Math.min(LINES_MAX, Math.max(2, source.split('\n').length))}
        spellCheck={false}
        aria-label={trans.__('Dataset')}
        aria-describedby={`${id}-said`}
        aria-invalid={Boolean(wrong || refused || error)}
        placeholder="root://xrootd.example.org//store/nano/*.root"
        value={source}
        onChange={event => builder.change({ source: event.target.value })}
        onKeyDown={event => {
          // Enter is for lines where there are some; a single one is looked at.
          if (event.key === 'Enter' && !event.shiftKey && linesOf(source).length < 2) {
            event.preventDefault();
            lookAt();
          }
        }}
      />
      <Suggestions builder={builder} />
      <div id={`${id}-said`}>
        {wrong && <Message kind="warning" message={wrong} />}
        {refused && <Refused refusal={refused} />}
        {error && (
          <Trouble
            error={error}
            missing={trans.__('Your Jupyter server lacks its part for column delivery')}
          />
        )}
      </div>
      <div className="casita-TextButtons">
        <button
          type="button"
          className="jp-mod-styled jp-mod-accept"
          aria-disabled={!source.trim() || Boolean(wrong) || busy}
          onClick={lookAt}
        >
          {trans.__('Look')}
        </button>
        {look && source === looked && (
          <button type="button" disabled={busy} onClick={() => void builder.lookAnew()}>
            {trans.__('Look up its files anew')}
          </button>
        )}
      </div>
      {busy && <div className="casita-Progress" />}
      <div className="casita-quiet" role="status">
        {busy
          ? trans.__('Looking at the dataset and its first file…')
          : look && <Held look={look} />}
      </div>
      {look && source !== looked && !busy && (
        <Message
          message={trans.__(
            'The columns below are those of the dataset that you looked at before this change'
          )}
        />
      )}
    </Step>
  );
}

/** "12 files · 3.4 GiB · 1.2 M events; columns of FILE". */
function Held({ look }: { look: Look }): React.ReactElement {
  const trans = useTrans();
  const { files, size, events, path } = look;
  const held = [
    trans._n('%1 file', '%1 files', files),
    size ? sizeText(size) : '',
    events ? trans._n('%2 event', '%2 events', events, countText(events)) : ''
  ];
  return (
    <>
      {held.filter(Boolean).join(' · ')}
      <div className="casita-Held">{trans.__('Columns of %1', path)}</div>
    </>
  );
}

function Suggestions({ builder }: { builder: Builder }): React.ReactElement | null {
  const trans = useTrans();
  const { source, looked } = useObservable(builder.draft);
  const recent = useObservable(builder.recent);
  const datasets = useObservable(builder.datasets);
  const shown = source && source === looked ? [] : suggestions(source, recent, datasets, SUGGESTED);
  if (!shown.length) {
    return null;
  }
  return (
    <ul className="casita-Suggestions" aria-label={trans.__('Datasets that you used')}>
      {shown.map(one => {
        const lines = linesOf(one);
        const more = lines.length - 1;
        return (
          <li key={one}>
            <button
              type="button"
              title={one}
              onClick={() => {
                builder.change({ source: one });
                void builder.lookAt();
              }}
            >
              {lines[0]}
              {more > 0 && ` ${trans._n('and %1 more file', 'and %1 more files', more)}`}
            </button>
          </li>
        );
      })}
    </ul>
  );
}
