/** Logs of a cluster's processes, followed as they are written. */

import { Clipboard } from '@jupyterlab/apputils';
import * as React from 'react';

import { FacilityError } from '../http';
import { Observable, useObservable } from '../observable';
import { Message, useTrans } from '../view';
import { level, Logs, matching } from './buffer';

/** Lines shown unless more are asked for. */
const SHOWN = 1000;

export interface ILogsState {
  logs: Observable<Logs>;
  /** What has become of the cluster, once it has ended. */
  ended: Observable<string>;
  problem: Observable<FacilityError | null>;
}

export function LogsView({ state }: { state: ILogsState }): React.ReactElement {
  const trans = useTrans();
  const logs = useObservable(state.logs);
  const ended = useObservable(state.ended);
  const problem = useObservable(state.problem);
  const [picked, pick] = React.useState('scheduler');
  const [words, setWords] = React.useState('');
  const [follow, setFollow] = React.useState(true);
  const [wrap, setWrap] = React.useState(true);
  const process = logs.has(picked) ? picked : ([...logs.keys()][0] ?? '');
  const lines = matching(logs.get(process) ?? [], words);
  return (
    <div className="casita-Logs">
      <div className="casita-Logs-bar">
        <select
          aria-label={trans.__('Process')}
          value={process}
          onChange={event => pick(event.target.value)}
        >
          {[...logs.keys()].map(one => (
            <option key={one}>{one}</option>
          ))}
        </select>
        <input
          type="search"
          aria-label={trans.__('Show only lines that hold')}
          placeholder={trans.__('Filter')}
          value={words}
          onChange={event => setWords(event.target.value)}
        />
        <Check label={trans.__('Follow')} value={follow} onChange={setFollow} />
        <Check label={trans.__('Wrap lines')} value={wrap} onChange={setWrap} />
        <Exports name={process} lines={lines} />
      </div>
      {ended && <Message kind="warning" message={ended} />}
      {problem && <Message kind="warning" message={problem.message} hint={problem.hint} />}
      <Lines lines={lines} follow={follow} onFollow={setFollow} wrap={wrap} name={process} />
    </div>
  );
}

interface ICheck {
  label: string;
  value: boolean;
  onChange: (value: boolean) => void;
}

function Check({ label, value, onChange }: ICheck): React.ReactElement {
  return (
    <label>
      <input type="checkbox" checked={value} onChange={event => onChange(event.target.checked)} />
      {label}
    </label>
  );
}

interface ILines {
  lines: readonly string[];
  name: string;
  follow: boolean;
  wrap: boolean;
  onFollow: (follow: boolean) => void;
}

function Lines(props: ILines): React.ReactElement {
  const { lines, name, follow, wrap, onFollow } = props;
  const trans = useTrans();
  const [all, setAll] = React.useState(false);
  const box = React.useRef<HTMLDivElement>(null);
  const shown = all ? lines : lines.slice(-SHOWN);
  React.useEffect(() => {
    if (follow && box.current) {
      box.current.scrollTop = box.current.scrollHeight;
    }
  }, [follow, lines, name]);
  const scrolled = () => {
    const { scrollTop, scrollHeight, clientHeight } = box.current!;
    onFollow(scrollHeight - scrollTop - clientHeight < 40);
  };
  return (
    <div
      ref={box}
      className="casita-Logs-lines"
      data-wrap={wrap}
      onScroll={scrolled}
      role="log"
      aria-live="off"
      aria-label={trans.__('Log of %1', name)}
      tabIndex={0}
    >
      {shown.length < lines.length && (
        <span className="casita-TextButtons">
          <button type="button" onClick={() => setAll(true)}>
            {trans.__('Show %1 earlier lines', lines.length - shown.length)}
          </button>
        </span>
      )}
      {!lines.length && <p className="casita-quiet">{trans.__('There are no such lines.')}</p>}
      {shown.map((one, index) => (
        <div key={lines.length - shown.length + index} data-level={level(one)}>
          {one || '\u00a0'}
        </div>
      ))}
    </div>
  );
}

interface IExports {
  name: string;
  lines: readonly string[];
}

function Exports({ name, lines }: IExports): React.ReactElement {
  const trans = useTrans();
  const text = () => `${lines.join('\n')}\n`;
  const copy = () => {
    Clipboard.copyToSystem(text());
  };
  const download = () => {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([text()], { type: 'text/plain' }));
    link.download = `${name}.log`;
    link.click();
    URL.revokeObjectURL(link.href);
  };
  return (
    <span className="casita-TextButtons">
      <button type="button" onClick={copy}>
        {trans.__('Copy')}
      </button>
      <button type="button" onClick={download}>
        {trans.__('Download')}
      </button>
    </span>
  );
}
