/** Prefetches: those that run, and those whose end is news. */

import { closeIcon, downloadIcon } from '@jupyterlab/ui-components';
import * as React from 'react';

import { IconButton } from '../button';
import { useFocusLeft } from '../section';
import { useTrans } from '../view';
import { baseName } from '../words';
import { failureText, jobState, jobText, jobTitle } from './format';
import { DatasetState, Job } from './models';
import { Operations } from './operations';
import { Bar } from './rows';

interface IJobs {
  jobs: readonly Job[];
  datasets: readonly DatasetState[];
  operations: Operations;
  onDismiss: (id: string) => void;
}

export function Jobs(props: IJobs): React.ReactElement {
  const { jobs, datasets, operations, onDismiss } = props;
  const trans = useTrans();
  return (
    <ul className="casita-Rows casita-Jobs" aria-label={trans.__('Your prefetches')}>
      {jobs.map(one => {
        const title = jobTitle(one, datasets);
        const end =
          one.state === 'running'
            ? () => void operations.cancel(one, title)
            : () => onDismiss(one.id);
        return <JobRow key={one.id} job={one} title={title} onEnd={end} />;
      })}
    </ul>
  );
}

interface IJob {
  job: Job;
  title: string;
  /** Cancel it, or take it from the list. */
  onEnd: () => void;
}

function JobRow({ job, title, onEnd }: IJob): React.ReactElement {
  const trans = useTrans();
  const item = React.useRef<HTMLLIElement>(null);
  useFocusLeft(item);
  const running = job.state === 'running';
  const text = jobText(job, trans);
  const state = jobState(job, trans);
  return (
    <li ref={item} className="casita-Job" data-job={job.id} data-state={job.state}>
      <div className="casita-Origin-title">
        <downloadIcon.react tag="span" width="14px" height="14px" aria-hidden="true" />
        <h3 title={trans.__('Prefetch of %1', job.title)}>{title}</h3>
        <span className="casita-State">{state}</span>
        <IconButton
          icon={closeIcon}
          label={running ? trans.__('Cancel this prefetch') : trans.__('Dismiss')}
          onClick={onEnd}
        />
      </div>
      {running && (
        <Bar
          label={trans.__('Prefetch of %1', title)}
          text={`${state}, ${text}`}
          fraction={job.fraction}
          role="progressbar"
        />
      )}
      <div className="casita-quiet">{text}</div>
      {job.failures.length > 0 && <Failures job={job} />}
    </li>
  );
}

function Failures({ job }: { job: Job }): React.ReactElement {
  const trans = useTrans();
  const { failures } = job;
  const summary = trans._n(
    '%1 file could not be had',
    '%1 files could not be had',
    failures.length
  );
  return (
    <details open={failures.length <= 3}>
      <summary>{summary}</summary>
      <ul className="casita-Failures">
        {failures.map(one => (
          <li key={one.url} title={`${one.url}\n${one.message}`}>
            <b>{baseName(one.url)}</b>: {failureText(one.message)}
          </li>
        ))}
      </ul>
    </details>
  );
}
