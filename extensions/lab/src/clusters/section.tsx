/** The panel's section of Dask clusters. */

import { addIcon, stopIcon } from '@jupyterlab/ui-components';
import * as React from 'react';

import { IconButton } from '../button';
import { useObservable } from '../observable';
import { Beginning, Frame } from '../section';
import { useTrans } from '../view';
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
  const { overview, problem } = props.store;
  const trans = useTrans();
  return (
    <Frame
      className="casita-Clusters"
      overview={overview}
      problem={problem}
      missing={trans.__('Your Jupyter server lacks its part for Dask clusters')}
      looking={trans.__('Looking for your clusters…')}
      news={news}
    >
      {(now, stale) => <List {...props} overview={now} stale={stale} />}
    </Frame>
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
      <Beginning
        text={trans.__(
          'No clusters yet. One gives your notebooks more cores and memory, within your limits.'
        )}
        label={trans.__('Start a cluster')}
        onClick={() => void form.open()}
        more={trans.__('Those that you make in notebooks and terminals show up here, too.')}
      />
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
