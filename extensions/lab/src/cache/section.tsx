/** The panel's section of the cache. */

import { refreshIcon } from '@jupyterlab/ui-components';
import * as React from 'react';

import { IconButton } from '../button';
import { useObservable } from '../observable';
import { Frame } from '../section';
import { useTrans } from '../view';
import { Datasets } from './datasets';
import { Files } from './files';
import { news } from './format';
import { Jobs } from './jobs';
import { Memory } from './memory';
import { Overview, Status } from './models';
import { Origins } from './origins';
import { IDoing } from './rows';
import { CacheStore } from './store';

export interface ISection extends IDoing {
  store: CacheStore;
  memory: Memory;
}

export function Section(props: ISection): React.ReactElement {
  const { overview, problem } = props.store;
  const trans = useTrans();
  return (
    <Frame
      className="casita-Cache"
      overview={overview}
      problem={problem}
      missing={trans.__('Your Jupyter server lacks its part for the cache')}
      looking={trans.__('Looking for the cache…')}
      news={news}
    >
      {(now, stale) => (
        <>
          {!now.configured && <NoCache />}
          {now.status && <Content {...props} overview={now} status={now.status} stale={stale} />}
        </>
      )}
    </Frame>
  );
}

/** The button in the section's heading. */
export function Tools({ store }: { store: CacheStore }): React.ReactElement {
  const trans = useTrans();
  return (
    <div className="casita-Tools">
      <IconButton
        icon={refreshIcon}
        label={trans.__('Look at the cache anew')}
        onClick={() => void store.refresh()}
      />
    </div>
  );
}

interface IContent extends ISection {
  overview: Overview;
  status: Status;
  stale: boolean;
}

function Content(props: IContent): React.ReactElement {
  const { overview, status, stale, store, memory, ...doing } = props;
  const trans = useTrans();
  const dismissed = useObservable(memory.dismissed);
  const { datasets } = overview;
  const jobs = overview.jobs.filter(one => !dismissed.has(one.id));
  return (
    <div className="casita-Cache-content" data-stale={stale}>
      <Origins origins={status.origins} />
      {jobs.length > 0 && (
        <Jobs
          jobs={jobs}
          datasets={datasets}
          operations={doing.operations}
          onDismiss={id => memory.dismiss(id)}
        />
      )}
      <h3>{trans.__('Datasets')}</h3>
      <Datasets store={store} datasets={datasets} jobs={jobs} {...doing} />
      <h3>{trans.__('Files')}</h3>
      <Files store={store} origins={status.origins} {...doing} />
    </div>
  );
}

function NoCache(): React.ReactElement {
  const trans = useTrans();
  return (
    <div className="casita-Empty">
      <p>
        {trans.__(
          'This facility has no cache: notebooks read remote files from their own servers, each time anew.'
        )}
      </p>
      <p>
        {trans.__(
          'Its operator adds one, with a server whose files are to be kept: [backends.cache.origins.NAME] in casita.toml.'
        )}
      </p>
    </div>
  );
}
