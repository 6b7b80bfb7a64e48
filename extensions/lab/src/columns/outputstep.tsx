/** Third: the cut, and what comes out. */

import * as React from 'react';

import { useObservable } from '../observable';
import { Message, useTrans } from '../view';
import { unknownIn } from './branches';
import { Builder } from './builder';
import { Format, IRefusal } from './draft';
import { formatText } from './format';
import { Tree } from './models';
import { titleOf } from './source';
import { Refused, Step } from './step';

interface IOutputStep {
  builder: Builder;
  tree: Tree;
  refusal: IRefusal | null;
}

const FORMATS: readonly Format[] = ['parquet', 'root-file', 'root-rntuple'];

export function OutputStep({ builder, tree, refusal }: IOutputStep): React.ReactElement {
  const trans = useTrans();
  const { title, format, source } = useObservable(builder.draft);
  const id = React.useId();
  return (
    <Step title={trans.__('Cut and output')}>
      <Cut builder={builder} tree={tree} refusal={refusal?.place === 'cut' ? refusal : null} />
      <div className="casita-Fields">
        <label htmlFor={`${id}-title`}>{trans.__('Title')}</label>
        <input
          id={`${id}-title`}
          type="text"
          maxLength={128}
          placeholder={titleOf(source)}
          value={title}
          onChange={event => builder.change({ title: event.target.value })}
        />
        <label htmlFor={`${id}-format`}>{trans.__('Format')}</label>
        <select
          id={`${id}-format`}
          value={format}
          onChange={event => builder.change({ format: event.target.value as Format })}
        >
          {FORMATS.map(one => (
            <option key={one} value={one}>
              {formatText(one, trans)}
            </option>
          ))}
        </select>
      </div>
    </Step>
  );
}

interface ICut {
  builder: Builder;
  tree: Tree;
  refusal: IRefusal | null;
}

function Cut({ builder, tree, refusal }: ICut): React.ReactElement {
  const trans = useTrans();
  const { cut } = useObservable(builder.draft);
  const id = React.useId();
  const unknown = React.useMemo(() => unknownIn(cut, tree), [cut, tree]);
  const told = unknown
    ? unknown.near.length
      ? trans.__('%1 has no column %2: is it %3?', tree.name, unknown.name, unknown.near.join(', '))
      : trans.__('%1 has no column %2', tree.name, unknown.name)
    : '';
  return (
    <div className="casita-Cut">
      <label htmlFor={id}>{trans.__('Cut')}</label>
      <span id={`${id}-hint`} className="casita-quiet">
        {trans.__('An expression of columns; those that are not selected may be used, too')}
      </span>
      <textarea
        id={id}
        className="casita-Code"
        rows={Math.min(6, Math.max(2, cut.split('\n').length))}
        spellCheck={false}
        maxLength={10_000}
        placeholder="(nMuon >= 2) & (MET_pt > 50)"
        aria-describedby={`${id}-hint ${id}-said`}
        aria-invalid={refusal !== null}
        value={cut}
        onChange={event => builder.change({ cut: event.target.value })}
      />
      <div id={`${id}-said`}>
        {refusal && <Refused refusal={refusal} />}
        {told && !refusal && <Message kind="warning" message={told} />}
      </div>
    </div>
  );
}
