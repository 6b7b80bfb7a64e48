/** The panel's section of Dask clusters. */

import { addIcon, stopIcon } from '@jupyterlab/ui-components';
import * as React from 'react';

import { FacilityError, isMissing } from '../http';
import { Observable, useObservable } from '../observable';
import { Message, useTrans } from '../view';
import { Card, IPartners } from './card';
import { FailureCard } from './failure';
import { news } from './format';
import { Memory } from './memory';
import { Overview } from './models';
import { NewClusterForm } from './newcluster';
import { Operations } from './operations';
import { IClusterStore } from './store';

/** The form for a new cluster: closed, or open with options to start from. */
export type FormState = null | { template: Record<string, unknown> | null };

export interface ISection extends IPartners {
  store: IClusterStore;
  operations: Operations;
  memory: Memory;
  form: Observable<FormState>;
}

export function Section(props: ISection): React.ReactElement {
  const trans = useTrans();
  const overview = useObservable(props.store.overview);
  const problem = useObservable(props.store.problem);
  const form = useObservable(props.form);
  const close = () => (props.form.value = null);
  return (
    <div className="casita-Clusters">
      <Tools {...props} overview={overview} />
      {form && <NewClusterForm {...props} template={form.template} onClose={close} />}
      {problem && <Trouble error={problem} />}
      {overview ? (
        <List {...props} overview={overview} stale={problem !== null} />
      ) : (
        !problem && <p className="casita-quiet">{trans.__('Looking for your clusters…')}</p>
      )}
      <Announcer store={props.store} />
    </div>
  );
}

function Tools(props: ISection & { overview: Overview | null }): React.ReactElement {
  const trans = useTrans();
  const clusters = props.overview?.clusters ?? [];
  return (
    <div className="casita-Tools">
      <button
        type="button"
        className="casita-TextButton"
        onClick={() => (props.form.value = { template: null })}
      >
        <addIcon.react tag="span" width="14px" height="14px" aria-hidden="true" />
        {trans.__('New cluster')}
      </button>
      {clusters.length > 1 && (
        <button
          type="button"
          className="casita-TextButton"
          onClick={() => void props.operations.stopAll(clusters)}
        >
          <stopIcon.react tag="span" width="14px" height="14px" aria-hidden="true" />
          {trans.__('Stop all')}
        </button>
      )}
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
      <p className="casita-Empty">
        {trans.__('You have no clusters. Notebooks and terminals can make them, too: all show up here.')}
      </p>
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
            form.value = { template: one.label ? { label: one.label } : null };
          }}
        />
      ))}
      {overview.clusters.map(one => (
        <Card key={one.name} cluster={one} {...props} />
      ))}
    </ul>
  );
}

function Trouble({ error }: { error: FacilityError }): React.ReactElement {
  const trans = useTrans();
  if (isMissing(error)) {
    return (
      <Message
        kind="warning"
        message={trans.__('Your Jupyter server lacks its part for Dask clusters')}
        hint={trans.__('Restart the server from the Hub Control Panel, or ask your operator')}
      />
    );
  }
  return <Message kind="warning" message={error.message} hint={error.hint} />;
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
