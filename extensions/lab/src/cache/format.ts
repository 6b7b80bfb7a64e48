/** The cache in words.  Pure. */

import { TranslationBundle } from '@jupyterlab/translation';

import { span } from '../facility/time';
import { partText, percentText, sizeText } from '../words';
import { DatasetState, FileState, Job, OriginState, Overview } from './models';

/** "up" or "down". */
export function upText(origin: OriginState, trans: TranslationBundle): string {
  return origin.up ? trans.__('up') : trans.__('down');
}

/** "86 % hits · 1.2 GiB WAN saved". */
export function hitsText(origin: OriginState, trans: TranslationBundle): string {
  if (origin.hit_ratio === null) {
    return trans.__('no reads yet');
  }
  const saved = trans.__('%1 WAN saved', sizeText(Math.max(0, origin.saved)));
  return `${trans.__('%1 hits', percentText(origin.hit_ratio))} · ${saved}`;
}

/** All that is known of an origin, for a tooltip. */
export function originTitle(origin: OriginState, trans: TranslationBundle): string {
  return [
    origin.addresses.join('\n'),
    trans.__('Cache: %1 %2', origin.cache, origin.version).trim(),
    trans._n('%1 file cached', '%1 files cached', origin.files),
    origin.pinned ? trans.__('%1 pinned', sizeText(origin.pinned)) : '',
    trans.__('%1 read through it', sizeText(origin.served)),
    trans._n('%1 file open', '%1 files open', origin.open_files)
  ]
    .filter(Boolean)
    .join('\n');
}

/** What to call a dataset. */
export function datasetTitle(dataset: Pick<DatasetState, 'name' | 'title'>): string {
  return dataset.title || dataset.name;
}

/** "12 files · 3.4 GiB". */
export function datasetText(dataset: DatasetState, trans: TranslationBundle): string {
  const files = trans._n('%1 file', '%1 files', dataset.files);
  return dataset.size === null ? files : `${files} · ${sizeText(dataset.size)}`;
}

/** What a bar says of a part that is cached. */
export function cachedText(
  cached: number,
  size: number | null,
  fraction: number,
  trans: TranslationBundle
): string {
  return size === null
    ? trans.__('%1 cached', sizeText(cached))
    : trans.__('%1 cached (%2)', partText(cached, size, trans), percentText(fraction));
}

/** All that is known of a file, for a tooltip. */
export function fileTitle(file: FileState, now: Date, trans: TranslationBundle): string {
  const ago = file.last_access === null ? null : now.getTime() / 1000 - file.last_access;
  return [
    file.url,
    cachedText(file.cached, file.size, file.fraction, trans),
    file.accesses ? trans._n('opened %1 time', 'opened %1 times', file.accesses) : '',
    ago === null ? '' : trans.__('last used %1 ago', span(Math.max(0, ago), trans)),
    file.pinned ? trans.__('pinned: it stays through purges') : ''
  ]
    .filter(Boolean)
    .join('\n');
}

/** What to call a prefetch: a dataset's title, else the last part of a URL. */
export function jobTitle(job: Job, datasets: readonly DatasetState[]): string {
  const known = datasets.find(one => one.name === job.title);
  return known ? datasetTitle(known) : job.title.replace(/^\S*\/(?=[^/\s]+(\s|$))/, '');
}

/** "1.2 of 3.4 GiB · 2 of 12 files · 110 MiB/s". */
export function jobText(job: Job, trans: TranslationBundle): string {
  const bytes =
    job.bytes > job.bytes_done
      ? partText(job.bytes_done, job.bytes, trans)
      : sizeText(job.bytes_done);
  return [
    bytes,
    job.files > 1 ? trans.__('%1 of %2 files', job.files_done, job.files) : '',
    job.state === 'running' && job.rate > 0 ? `${sizeText(job.rate)}/s` : ''
  ]
    .filter(Boolean)
    .join(' · ');
}

/** "done", "failed", ... */
export function jobState(job: Job, trans: TranslationBundle): string {
  switch (job.state) {
    case 'running':
      return percentText(job.fraction);
    case 'done':
      return trans.__('done');
    case 'failed':
      return trans.__('failed');
    case 'cancelled':
      return trans.__('cancelled');
  }
}

/** Why a file could not be had, without the addresses that the row names anyhow. */
export function failureText(message: string): string {
  return message.replace(/^\w+:\/\/\S+?:? (?=\S)/, '');
}

/** What a screen reader is told of a change. */
export function news(before: Overview | null, now: Overview, trans: TranslationBundle): string[] {
  const ended = newlyEnded(before, now).map(one =>
    trans.__('Prefetch of %1: %2', jobTitle(one, now.datasets), jobState(one, trans))
  );
  const were = new Map(before?.status?.origins.map(one => [one.name, one.up]));
  const moved = (now.status?.origins ?? [])
    .filter(one => were.has(one.name) && were.get(one.name) !== one.up)
    .map(one => trans.__('The cache of %1 is %2', one.name, upText(one, trans)));
  return [...ended, ...moved];
}

/** Prefetches that ran before and have ended since. */
export function newlyEnded(before: Overview | null, now: Overview): Job[] {
  const ran = new Set(before?.jobs.filter(one => one.state === 'running').map(one => one.id));
  return now.jobs.filter(one => one.state !== 'running' && ran.has(one.id));
}
