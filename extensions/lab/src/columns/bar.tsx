/** The end of the query builder: what it costs, and the buttons; always in sight. */

import { codeIcon } from '@jupyterlab/ui-components';
import * as React from 'react';

import { useObservable } from '../observable';
import { Message, useTrans } from '../view';
import { partText, percentText, sizeText } from '../words';
import { IEstimate } from './branches';
import { Builder } from './builder';
import { IRefusal, missingIn } from './draft';
import { countText, factsText, isDone, requestTitle, stateText, toneOf } from './format';
import { RequestState } from './models';
import { Progress } from './request';
import { ColumnsStore } from './store';

interface IBar {
  builder: Builder;
  store: ColumnsStore;
  cost: IEstimate | null;
  refusal: IRefusal | null;
  onShow: (id: string) => void;
}

export function Bar({ builder, store, cost, refusal, onShow }: IBar): React.ReactElement {
  const trans = useTrans();
  const draft = useObservable(builder.draft);
  const sending = useObservable(builder.sending);
  const missing = missingIn(draft);
  const off = missing !== null;
  return (
    <div className="casita-Query-bar">
      <Submitted builder={builder} store={store} onShow={onShow} />
      {refusal?.place === 'form' && (
        <Message kind="error" message={refusal.message} hint={refusal.hint} />
      )}
      <div className="casita-Estimate" aria-live="polite">
        {missing === 'source' && trans.__('Name a dataset.')}
        {missing === 'look' && trans.__('Look at the dataset to choose a tree.')}
        {missing === 'columns' && trans.__('Select the columns that you need.')}
        {!missing && cost && <Cost cost={cost} cut={draft.cut.trim() !== ''} />}
      </div>
      <div className="casita-Query-buttons">
        <button type="button" className="jp-mod-styled" onClick={() => builder.clear()}>
          {trans.__('Start over')}
        </button>
        {builder.inserts && (
          <button
            type="button"
            className="jp-mod-styled"
            disabled={off}
            onClick={() => builder.insert()}
          >
            <codeIcon.react tag="span" width="14px" height="14px" aria-hidden="true" />
            {trans.__('Insert code')}
          </button>
        )}
        <button
          type="button"
          className="jp-mod-styled jp-mod-accept"
          disabled={off}
          aria-disabled={sending}
          onClick={() => void builder.submit()}
        >
          {trans.__('Submit')}
        </button>
      </div>
    </div>
  );
}

function Cost({ cost, cut }: { cost: IEstimate; cut: boolean }): React.ReactElement {
  const trans = useTrans();
  const { events, exact, read, output, whole } = cost;
  const counted = trans._n('%2 event', '%2 events', events, countText(events));
  const of = `${partText(read, whole, trans)} (${percentText(whole ? read / whole : 0)})`;
  return (
    <>
      <span>
        {exact ? counted : trans.__('about %1', counted)}
        {' · '}
        {trans.__('about %1 to be read', of)}
      </span>
      <span className="casita-quiet">
        {cut
          ? trans.__('Output: at most about %1, less what the cut takes away', sizeText(output))
          : trans.__('Output: about %1', sizeText(output))}
      </span>
    </>
  );
}

/** What was submitted last from here, live. */
function Submitted({
  builder,
  store,
  onShow
}: Pick<IBar, 'builder' | 'store' | 'onShow'>): React.ReactElement | null {
  const trans = useTrans();
  const id = useObservable(builder.submitted).at(-1);
  const overview = useObservable(store.overview);
  if (id === undefined) {
    return null;
  }
  const request = overview?.requests.find(one => one.id === id);
  return (
    <div className="casita-Submitted" data-tone={request && toneOf(request)} role="status">
      <span>{request ? told(request, trans) : trans.__('Submitted.')}</span>
      {request && !isDone(request) && <Progress request={request} />}
      <div className="casita-TextButtons">
        <button type="button" onClick={() => onShow(id)}>
          {trans.__('Show')}
        </button>
      </div>
    </div>
  );
}

function told(request: RequestState, trans: ReturnType<typeof useTrans>): string {
  const facts = factsText(request, trans);
  const state = `${requestTitle(request)}: ${stateText(request, trans)}`;
  return facts ? `${state} · ${facts}` : state;
}
