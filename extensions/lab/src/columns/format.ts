/** Requests for columns in words.  Pure. */

import { TranslationBundle } from '@jupyterlab/translation';

import { baseName, percentText, sizeText } from '../words';
import { FileFailure, Overview, RequestState, Service } from './models';

/** What ServiceX calls the dataset of a list of files. */
export const FILE_LIST = 'File List Provided in Request';
const DONE: readonly RequestState['state'][] = ['Complete', 'Fatal', 'Canceled', 'Bad Dataset'];
const CONFIRMED_AFTER = 60;

export function isDone({ state }: Pick<RequestState, 'state'>): boolean {
  return DONE.includes(state);
}

/** How it looks: it runs, all is there, some is not, or nothing came of it. */
export type Tone = 'running' | 'good' | 'partial' | 'bad' | 'ended';

export function toneOf(request: RequestState): Tone {
  switch (request.state) {
    case 'Complete':
      return request.failed ? (request.completed ? 'partial' : 'bad') : 'good';
    case 'Fatal':
    case 'Bad Dataset':
      return 'bad';
    case 'Canceled':
      return 'ended';
    default:
      return 'running';
  }
}

/** What to call it: its title, else its dataset. */
export function requestTitle(request: Pick<RequestState, 'title' | 'did' | 'id'>): string {
  const { title, did, id } = request;
  return title || (did && did !== FILE_LIST ? baseName(did.replace(/\?.*$/, '')) : id.slice(0, 8));
}

/** "45 %", "done", "2 files failed", ... */
export function stateText(request: RequestState, trans: TranslationBundle): string {
  switch (request.state) {
    case 'Submitted':
      return trans.__('waiting');
    case 'Lookup':
      return trans.__('finding files…');
    case 'Running':
      return percentText(fractionOf(request));
    case 'Complete':
      return request.failed
        ? trans._n('%1 file failed', '%1 files failed', request.failed)
        : trans.__('done');
    case 'Fatal':
      return trans.__('failed');
    case 'Canceled':
      return trans.__('cancelled');
    case 'Bad Dataset':
      return trans.__('no such dataset');
  }
}

/** Which part of the files is over, 0 to 1. */
export function fractionOf({ files, completed, failed }: RequestState): number {
  return files ? Math.min(1, (completed + failed) / files) : 0;
}

/** "950", "12.3 k", "1.24 M": three digits. */
export function countText(count: number): string {
  const [value, unit] = scaled(count);
  return `${value}${unit && ` ${unit}`}`;
}

/** "812 Hz", "12.3 kHz". */
export function rateText(rate: number): string {
  const [value, unit] = scaled(rate);
  return `${value} ${unit}Hz`;
}

function scaled(value: number): [string, string] {
  const units = ['', 'k', 'M', 'G', 'T'];
  let power = 0;
  let rest = value;
  while (rest >= 999.5 && power < units.length - 1) {
    rest /= 1000;
    power++;
  }
  const digits = power === 0 || rest >= 99.95 ? 0 : rest >= 9.995 ? 1 : 2;
  const text = rest.toFixed(digits);
  return [digits ? text.replace(/\.?0+$/, '') : text, units[power]!];
}

/** "3 of 12 files · 1.24 M events · 34 MiB · 12.3 kHz". */
export function factsText(request: RequestState, trans: TranslationBundle): string {
  const { files, completed, failed, events, size, rate } = request;
  if (!files) {
    return '';
  }
  const over = completed + failed;
  const counted =
    over === files && !failed
      ? trans._n('%1 file', '%1 files', files)
      : trans._n('%2 of %1 file', '%2 of %1 files', files, completed);
  return [
    isDone(request) && over < files && !completed ? '' : counted,
    completed ? trans._n('%2 event', '%2 events', events, countText(events)) : '',
    completed ? sizeText(size) : '',
    rate > 0 ? rateText(rate) : ''
  ]
    .filter(Boolean)
    .join(' · ');
}

/** Those that run first; else as they were, the latest first. */
export function ordered(requests: readonly RequestState[]): RequestState[] {
  return [...requests.filter(one => !isDone(one)), ...requests.filter(isDone)];
}

/** Whether so much work would be lost that one is asked first. */
export function asksBeforeCancel({ started }: RequestState, now: Date): boolean {
  return started !== null && now.getTime() / 1000 - started > CONFIRMED_AFTER;
}

/** "Parquet", ... */
export function formatText(format: string, trans: TranslationBundle): string {
  switch (format) {
    case 'parquet':
      return trans.__('Parquet');
    case 'root-file':
      return trans.__('ROOT (TTree)');
    case 'root-rntuple':
      return trans.__('ROOT (RNTuple)');
    default:
      return format;
  }
}

/** Why a file failed, without the path that is said before. */
export function messageOf({ path, message }: Pick<FileFailure, 'path' | 'message'>): string {
  const bare = message.startsWith(path) ? message.slice(path.length).replace(/^[:\s]+/, '') : '';
  return bare || message;
}

/** A selection as people read it: a line for each thing that is set, other text as it is. */
export function selectionText(selection: string): string {
  try {
    const queries = JSON.parse(selection) as Record<string, unknown>[];
    return queries.map(one => Object.entries(one).flatMap(lineOf).join('\n')).join('\n\n');
  } catch {
    return selection;
  }
}

function lineOf([key, value]: [string, unknown]): string[] {
  if (value === null) {
    return [];
  }
  const text = [value].flat().map(one => (typeof one === 'string' ? one : JSON.stringify(one)));
  return [`${key}: ${text.join(', ')}`];
}

/** "Your results: 1.2 MiB of 50 GiB". */
export function usageText({ usage, quota }: Service, trans: TranslationBundle): string {
  return trans.__('Your results take %1 of %2', sizeText(usage), sizeText(quota));
}

/** Requests that ran before and are over now. */
export function newlyEnded(before: Overview | null, now: Overview): RequestState[] {
  const ran = new Set(before?.requests.filter(one => !isDone(one)).map(one => one.id));
  return now.requests.filter(one => isDone(one) && ran.has(one.id));
}

/** What a screen reader is told of a change. */
export function news(before: Overview | null, now: Overview, trans: TranslationBundle): string[] {
  return newlyEnded(before, now).map(one =>
    trans.__('Request %1: %2', requestTitle(one), stateText(one, trans))
  );
}
