/** The query builder: dataset, columns, cut and output, one below the other. */

import * as React from 'react';

import { useObservable } from '../observable';
import { Message, useTrans } from '../view';
import { estimate } from './branches';
import { Bar } from './bar';
import { Builder } from './builder';
import { ColumnsStep } from './columnsstep';
import { DatasetStep } from './datasetstep';
import { OutputStep } from './outputstep';
import { ColumnsStore } from './store';

export interface IQuery {
  builder: Builder;
  store: ColumnsStore;
  /** Show what was submitted. */
  onShow: (id: string) => void;
}

export function Query({ builder, store, onShow }: IQuery): React.ReactElement {
  const trans = useTrans();
  const draft = useObservable(builder.draft);
  const { look } = useObservable(builder.looked);
  const refusal = useObservable(builder.refusal);
  const tree = look?.trees.find(one => one.name === draft.tree);
  React.useEffect(() => {
    void builder.suggest();
    void builder.resume();
  }, [builder]);
  const cost = look && tree ? estimate(look, tree, draft.columns, draft.cut) : null;
  return (
    <form
      className="casita-Query"
      aria-label={trans.__('New query')}
      onSubmit={event => event.preventDefault()}
    >
      <div className="casita-Query-steps">
        <DatasetStep builder={builder} refusal={refusal} />
        {look && tree && (
          <>
            <ColumnsStep builder={builder} look={look} tree={tree} refusal={refusal} />
            <OutputStep builder={builder} tree={tree} refusal={refusal} />
          </>
        )}
        {look && !tree && (
          <Message kind="warning" message={trans.__('%1 holds no tree', look.path)} />
        )}
      </div>
      {look && tree && (
        <Bar builder={builder} store={store} cost={cost} refusal={refusal} onShow={onShow} />
      )}
    </form>
  );
}
