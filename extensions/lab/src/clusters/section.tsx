/** The panel's section of Dask clusters. */

import { addIcon, stopIcon } from '@jupyterlab/ui-components';
import * as React from 'react';

import { IconButton } from '../button';
import { useObservable } from '../observable';
import { Trouble, useTrans } from '../view';
import { Card, IPartners } from './card';
import { FailureCard } from './failure';
import { news } from './format';
import { Memory } from './memory';
import { Overview } from './models';
import { NewCluster } from './newcluster';
import { Operations } from './operations';
import { IClusterStore } from './store';

export interface ISection extends IPartners {
  store: IClusterStore;
  operations: Operations;
  memory: Memory;
  form: NewCluster;
}

export function Section(props: ISection): React.ReactElement {
  const trans = useTrans();
  const overview = useObservable(props.store.overview);
  const problem = useObservable(props.store.problem);
  return (
    <div className="casita-Clusters" tabIndex={-1}>
      {problem && (
        <Trouble
          error={problem}
          missing={trans.__('Your Jupyter server lacks its part for Dask clusters')}
        />
      )}
      {overview ? (
        <List {...props} overview={overview} stale={problem !== null} />
      ) : (
        !problem && <p className="casita-quiet">{trans.__('Looking for your clusters…')}</p>
      )}
      <Announcer store={props.store} />
    </div>
  );
}

/** The buttons in the section's heading. */
export function Tools(props: Pick<ISection, 'store' | 'operations' | 'form'>): React.ReactElement {
  const trans = useTrans();
  const clusters = useObservable(props.store.overview)?.clusters ?? [];
  return (
    <div className="casita-Tools">
      <IconButton
        icon={addIcon}
        label={trans.__('New cluster')}
        onClick={() => void props.form.open()}
      />
      <IconButton
        icon={stopIcon}
        label={trans.__('Stop all clusters')}
        disabled={!clusters.length}
        onClick={() => void props.operations.stopAll(clusters)}
      />
    </div>
  );
}

interface IList extends ISection {
  overview: Overview;
  stale: boolean;
}

function List(props: IList): React.ReactElement {
  const trans = useTrans();
  const { overview, memory, form, logs } = props;
  const dismissed = useObservable(memory.dismissed);
  const failures = overview.failures.filter(one => !dismissed.has(one.name));
  if (!overview.clusters.length && !failures.length) {
    return (
      <div className="casita-Empty">
        <p>
          {trans.__(
            'No clusters yet. One gives your notebooks more cores and memory, within your limits.'
          )}
        </p>
        <button
          type="button"
          className="jp-mod-styled jp-mod-accept"
          onClick={() => void form.open()}
        >
          {trans.__('Start a cluster')}
        </button>
        <p>{trans.__('Those that you make in notebooks and terminals show up here, too.')}</p>
      </div>
    );
  }
  return (
    <ul className="casita-List" data-stale={props.stale} aria-label={trans.__('Your clusters')}>
      {failures.map(one => (
        <FailureCard
          key={one.name}
          failure={one}
          logs={logs}
          onDismiss={() => memory.dismiss(one.name)}
          onRetry={() => {
            memory.dismiss(one.name);
            void form.open(memory.choice(one.name, one.label));
          }}
        />
      ))}
      {overview.clusters.map(one => (
        <Card key={one.name} cluster={one} {...props} />
      ))}
    </ul>
  );
}

/** Tells screen readers what changes. */
function Announcer({ store }: { store: IClusterStore }): React.ReactElement {
  const trans = useTrans();
  const [text, setText] = React.useState('');
  React.useEffect(() => {
    let before = store.overview.value;
    const tell = (_: unknown, now: Overview | null) => {
      const told = now ? news(before, now, trans) : [];
      before = now;
      if (told.length) {
        setText(told.join('. '));
      }
    };
    store.overview.changed.connect(tell);
    return () => void store.overview.changed.disconnect(tell);
  }, [store, trans]);
  return (
    <div className="casita-Announcer" role="status" aria-live="polite">
      {text}
    </div>
  );
}
