/** Second: which columns of which tree. */

import { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { useObservable } from '../observable';
import { useTrans } from '../view';
import { inOrder, matching, Order } from './branches';
import { Builder } from './builder';
import { Chips } from './chips';
import { ColumnList } from './columnlist';
import { IRefusal } from './draft';
import { countText } from './format';
import { Look, Tree } from './models';
import { Refused, Step } from './step';

interface IColumnsStep {
  builder: Builder;
  look: Look;
  tree: Tree;
  refusal: IRefusal | null;
}

export function ColumnsStep({ builder, look, tree, refusal }: IColumnsStep): React.ReactElement {
  const trans = useTrans();
  const { columns } = useObservable(builder.draft);
  const [words, setWords] = React.useState('');
  const [order, setOrder] = React.useState<Order>('file');
  const shown = React.useMemo(
    () => inOrder(matching(tree.branches, words), order),
    [tree, words, order]
  );
  const refused = refusal?.place === 'columns' ? refusal : null;
  const choose = (next: readonly string[]) => builder.change({ columns: next });
  return (
    <Step title={trans.__('Columns')}>
      {look.trees.length > 1 && <TreeChoice builder={builder} trees={look.trees} tree={tree} />}
      <div className="casita-Filter">
        <input
          type="search"
          className="casita-Search"
          aria-label={trans.__('Search columns')}
          placeholder={trans.__('Search: muon pt, Muon_*, float[]')}
          value={words}
          onChange={event => setWords(event.target.value)}
        />
        <OrderChoice order={order} onChange={setOrder} />
      </div>
      <ColumnList
        label={trans.__('Columns of %1', tree.name)}
        columns={shown}
        chosen={columns}
        onChange={choose}
      />
      <Counted
        shown={shown.map(one => one.name)}
        all={tree.branches.length}
        chosen={columns}
        onChange={choose}
      />
      <Chips names={columns} onChange={choose} />
      {refused && <Refused refusal={refused} />}
    </Step>
  );
}

interface ITreeChoice {
  builder: Builder;
  trees: readonly Tree[];
  tree: Tree;
}

function TreeChoice({ builder, trees, tree }: ITreeChoice): React.ReactElement {
  const trans = useTrans();
  return (
    <label className="casita-Inline">
      {trans.__('Tree')}
      <select
        value={tree.name}
        onChange={event => builder.change({ tree: event.target.value, columns: [] })}
      >
        {trees.map(one => (
          <option key={one.name} value={one.name}>
            {treeText(one, trans)}
          </option>
        ))}
      </select>
    </label>
  );
}

/** "Events: 1.2 M entries, 1504 columns". */
function treeText({ name, entries, branches }: Tree, trans: TranslationBundle): string {
  const held = [
    trans._n('%2 entry', '%2 entries', entries, countText(entries)),
    trans._n('%1 column', '%1 columns', branches.length)
  ];
  return `${name}: ${held.join(', ')}`;
}

interface IOrderChoice {
  order: Order;
  onChange: (order: Order) => void;
}

function OrderChoice({ order, onChange }: IOrderChoice): React.ReactElement {
  const trans = useTrans();
  return (
    <select
      aria-label={trans.__('Order of the columns')}
      value={order}
      onChange={event => onChange(event.target.value as Order)}
    >
      <option value="file">{trans.__('as in the file')}</option>
      <option value="name">{trans.__('by name')}</option>
      <option value="size">{trans.__('largest first')}</option>
    </select>
  );
}

interface ICounted {
  shown: readonly string[];
  all: number;
  chosen: readonly string[];
  onChange: (chosen: readonly string[]) => void;
}

/** How many are shown, and a button for all of these. */
function Counted({ shown, all, chosen, onChange }: ICounted): React.ReactElement {
  const trans = useTrans();
  const has = new Set(chosen);
  const whole = shown.length > 0 && shown.every(one => has.has(one));
  const toggle = () => {
    const these = new Set(shown);
    onChange(
      whole
        ? chosen.filter(one => !these.has(one))
        : [...chosen, ...shown.filter(one => !has.has(one))]
    );
  };
  const few = shown.length < all;
  const counted = few
    ? trans.__('%1 of %2 columns', shown.length, all)
    : trans._n('%1 column', '%1 columns', all);
  return (
    <div className="casita-Counted">
      <span className="casita-quiet" role="status">
        {shown.length ? counted : trans.__('No column has these words in its name or type.')}
      </span>
      {shown.length > 0 && (
        <div className="casita-TextButtons">
          <button type="button" onClick={toggle}>
            {whole
              ? trans.__('Unselect all %1', shown.length)
              : trans.__('Select all %1', shown.length)}
          </button>
        </div>
      )}
    </div>
  );
}
