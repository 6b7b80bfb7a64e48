/** The catalogue's datasets, and a box to search them. */

import * as React from 'react';

import { useObservable } from '../observable';
import { Trouble, useTrans } from '../view';
import { percentText } from '../words';
import { cachedText, datasetText, datasetTitle } from './format';
import { DatasetState, Job } from './models';
import { Bar, IDoing, Many, PinMark, Row } from './rows';
import { CacheStore } from './store';
import { ofDataset } from './subject';
import { matching } from './tree';

interface IDatasets extends IDoing {
  store: CacheStore;
  datasets: readonly DatasetState[];
  jobs: readonly Job[];
}

export function Datasets({ store, datasets, jobs, ...doing }: IDatasets): React.ReactElement {
  const trans = useTrans();
  const words = useObservable(store.words);
  const found = useObservable(store.found);
  const problem = useObservable(store.searchProblem);
  const shown = matching(datasets, words, found);
  const fetched = new Set(jobs.filter(one => one.state === 'running').map(one => one.title));
  if (!datasets.length) {
    return (
      <div className="casita-Empty">
        <p>
          {trans.__(
            'No datasets yet. Your operator names lists of files in the catalogue of the facility: [backends.cache.datasets.NAME].'
          )}
        </p>
        <p>{trans.__('Single files are below, and `casita cache prefetch URL` fetches any.')}</p>
      </div>
    );
  }
  return (
    <>
      <input
        type="search"
        className="casita-Search"
        aria-label={trans.__('Search datasets')}
        placeholder={trans.__('Search datasets')}
        maxLength={200}
        value={words}
        onChange={event => store.search(event.target.value)}
      />
      {problem && (
        <Trouble error={problem} missing={trans.__('Your Jupyter server can not search')} />
      )}
      <Many all={shown} label={trans.__('Datasets')}>
        {one => (
          <Dataset key={one.name} dataset={one} fetching={fetched.has(one.name)} {...doing} />
        )}
      </Many>
      <div className="casita-quiet" role="status">
        {words.trim() &&
          (shown.length
            ? trans.__('%1 of %2 datasets', shown.length, datasets.length)
            : trans.__('No dataset holds these words in its name, title or other metadata.'))}
      </div>
    </>
  );
}

interface IDataset extends IDoing {
  dataset: DatasetState;
  /** Whether one of the user's prefetches is for it. */
  fetching: boolean;
}

function Dataset({ dataset, fetching, ...doing }: IDataset): React.ReactElement {
  const trans = useTrans();
  const { name, title, tree, cached, size, fraction, pinned } = dataset;
  const about = [name, title, trans.__('tree %1', tree)].filter(Boolean).join('\n');
  return (
    <Row subject={ofDataset(dataset)} className="casita-Dataset" {...doing}>
      <div className="casita-Row-title">
        <span title={about}>
          {datasetTitle(dataset)}
          {title && title !== name && <span className="casita-quiet"> {name}</span>}
        </span>
        {pinned && <PinMark />}
      </div>
      <div className="casita-Row-facts">
        {fraction !== null && (
          <>
            <Bar
              label={trans.__('Cached')}
              text={cachedText(cached, size, fraction, trans)}
              fraction={fraction}
            />
            <span className="casita-Percent">{percentText(fraction)}</span>
          </>
        )}
        <span className="casita-quiet">
          {fetching ? trans.__('is being fetched…') : datasetText(dataset, trans)}
          {fraction === null && ` · ${trans.__('no cache for its servers')}`}
        </span>
      </div>
    </Row>
  );
}
