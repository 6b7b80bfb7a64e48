/** Clusters in words.  Pure. */

import { TranslationBundle } from '@jupyterlab/translation';

import { span } from '../facility/time';
import { Adaptive, Cluster, Limits, Overview } from './models';

const GIB = 2 ** 30;

/** What to call a cluster. */
export function title(cluster: { name: string; label: string }): string {
  return cluster.label || cluster.name.slice(0, 8);
}

/** All that a cluster is called. */
export function fullTitle(cluster: { name: string; label: string }): string {
  return cluster.label ? `${cluster.label} (${cluster.name})` : cluster.name;
}

/** Bytes as "1.2" GiB, without unit. */
export function gib(bytes: number): string {
  const value = bytes / GIB;
  return value >= 100 ? value.toFixed(0) : value.toFixed(1).replace(/\.0$/, '');
}

/** "starting", "running", ... */
export function stateText(cluster: Cluster, trans: TranslationBundle): string {
  if (cluster.status === 'pending') {
    return trans.__('starting');
  }
  if (cluster.status === 'running') {
    return isBusy(cluster) ? trans.__('computing') : trans.__('running');
  }
  return trans.__('stopping');
}

/** Whether it may be computing: its scheduler says so, or says nothing, as busy ones do. */
export function mayCompute(cluster: Cluster): boolean {
  return isBusy(cluster) || (cluster.status === 'running' && cluster.tasks === null);
}

/** Whether tasks run or wait. */
export function isBusy(cluster: Cluster): boolean {
  return cluster.tasks !== null && cluster.tasks.processing + cluster.tasks.waiting > 0;
}

/** "2 of 4 workers", "1 worker", "2 workers, follows the load (0 to 4)". */
export function workersText(cluster: Cluster, trans: TranslationBundle): string {
  const { workers, wanted, adaptive } = cluster;
  if (workers === null) {
    return trans.__('workers not known');
  }
  const text =
    wanted !== null && wanted !== workers
      ? trans.__('%1 of %2 workers', workers, wanted)
      : trans._n('%1 worker', '%1 workers', workers);
  return adaptive ? trans.__('%1, follows the load (%2)', text, boundsText(adaptive, trans)) : text;
}

function boundsText({ minimum, maximum }: Adaptive, trans: TranslationBundle): string {
  return maximum === null
    ? trans.__('%1 or more', minimum)
    : trans.__('%1 to %2', minimum, maximum);
}

/** "started 12 min ago"; the first minute is one moment, so that nothing counts seconds. */
export function ageText(seconds: number, trans: TranslationBundle): string {
  return seconds < 60
    ? trans.__('started just now')
    : trans.__('started %1 ago', span(seconds, trans));
}

/** "3 running, 2 waiting, 1 failed"; "" without tasks. */
export function tasksText(cluster: Cluster, trans: TranslationBundle): string {
  const tasks = cluster.tasks;
  if (!tasks) {
    return '';
  }
  return [
    tasks.processing ? trans.__('%1 running', tasks.processing) : '',
    tasks.waiting ? trans.__('%1 waiting', tasks.waiting) : '',
    tasks.memory ? trans.__('%1 kept', tasks.memory) : '',
    tasks.erred ? trans.__('%1 failed', tasks.erred) : ''
  ]
    .filter(Boolean)
    .join(', ');
}

/** "3 of 8 cores, 2 clusters". */
export function quotaText(limits: Limits, trans: TranslationBundle): string {
  const cores = trans.__('%1 of %2 cores', limits.cores.used, limits.cores.limit);
  return `${cores}, ${trans._n('%1 cluster', '%1 clusters', limits.clusters.used)}`;
}

/** What a screen reader is told of a change. */
export function news(before: Overview | null, now: Overview, trans: TranslationBundle): string[] {
  if (!before) {
    return [];
  }
  const known = new Map(before.clusters.map(one => [one.name, one]));
  const told = now.clusters
    .filter(one => known.get(one.name)?.status !== one.status)
    .map(one => trans.__('Cluster %1 is %2', title(one), stateText(one, trans)));
  const left = new Set([...now.clusters, ...now.failures].map(one => one.name));
  const gone = before.clusters
    .filter(one => !left.has(one.name))
    .map(one => trans.__('Cluster %1 has stopped', title(one)));
  const failed = newFailures(before, now).map(one => trans.__('Cluster %1 has failed', title(one)));
  return [...told, ...gone, ...failed];
}

/** Failures that were not there before. */
export function newFailures(before: Overview | null, now: Overview): Overview['failures'] {
  const known = new Set(before?.failures.map(one => one.name));
  return before ? now.failures.filter(one => !known.has(one.name)) : [];
}
