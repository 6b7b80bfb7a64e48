/** The panel's section of column delivery. */

import { addIcon, refreshIcon } from '@jupyterlab/ui-components';
import * as React from 'react';

import { IconButton } from '../button';
import { Beginning, Frame } from '../section';
import { useTrans } from '../view';
import { news, ordered, usageText } from './format';
import { Overview } from './models';
import { Operations } from './operations';
import { RequestCard } from './request';
import { ColumnsStore } from './store';

export interface ISection {
  store: ColumnsStore;
  operations: Operations;
  /** Open the query builder. */
  onNew: () => void;
}

export function Section(props: ISection): React.ReactElement {
  const { overview, problem } = props.store;
  const trans = useTrans();
  return (
    <Frame
      className="casita-Columns"
      overview={overview}
      problem={problem}
      missing={trans.__('Your Jupyter server lacks its part for column delivery')}
      looking={trans.__('Looking for your requests…')}
      news={news}
    >
      {(now, stale) => (
        <>
          {!now.configured && (
            <p className="casita-quiet">{trans.__('This facility delivers no columns.')}</p>
          )}
          {now.service && <List {...props} overview={now} stale={stale} />}
        </>
      )}
    </Frame>
  );
}

/** The buttons in the section's heading. */
export function Tools({ store, onNew }: ISection): React.ReactElement {
  const trans = useTrans();
  return (
    <div className="casita-Tools">
      <IconButton icon={addIcon} label={trans.__('New query')} onClick={onNew} />
      <IconButton
        icon={refreshIcon}
        label={trans.__('Look at your requests anew')}
        onClick={() => void store.refresh()}
      />
    </div>
  );
}

interface IList extends ISection {
  overview: Overview;
  stale: boolean;
}

/** Long lists make a panel slow; so many are shown at first. */
const SHOWN = 20;

function List(props: IList): React.ReactElement {
  const { overview, stale, store, operations, onNew } = props;
  const trans = useTrans();
  const [shown, setShown] = React.useState(SHOWN);
  const requests = ordered(overview.requests);
  const more = requests.length - shown;
  if (!requests.length) {
    return (
      <Beginning
        text={trans.__(
          'No requests yet. Ask for the columns of a dataset that you need, with a cut, and get small files instead of large ones.'
        )}
        label={trans.__('Build a query')}
        onClick={onNew}
        more={trans.__('Those that notebooks and terminals make show up here, too.')}
      />
    );
  }
  return (
    <>
      <ul className="casita-List" data-stale={stale} aria-label={trans.__('Your requests')}>
        {requests.slice(0, shown).map(one => (
          <RequestCard key={one.id} request={one} store={store} operations={operations} />
        ))}
      </ul>
      {more > 0 && (
        <div className="casita-TextButtons">
          <button type="button" onClick={() => setShown(requests.length)}>
            {trans._n('%1 more', '%1 more', more)}
          </button>
        </div>
      )}
      <p className="casita-quiet">{usageText(overview.service!, trans)}</p>
    </>
  );
}
