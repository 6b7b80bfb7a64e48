/** What a person types to make or change a cluster, and what it means.  Pure. */

import { TranslationBundle } from '@jupyterlab/translation';

import { gib } from './format';
import { Adaptive, Cluster, Limits, NewCluster, Option } from './models';

/** Text of every field, as typed. */
export type Values = Readonly<Record<string, string>>;

/** How many workers, as typed. */
export interface IWorkers {
  adaptive: boolean;
  workers: string;
  minimum: string;
  maximum: string;
}

export interface IChecked {
  /** A sentence for each field that is wrong, by its name. */
  errors: Readonly<Record<string, string>>;
  /** What to ask for; null while a field is wrong. */
  request: NewCluster | null;
}

export const DEFAULT_WORKERS: IWorkers = {
  adaptive: false,
  workers: '2',
  minimum: '0',
  maximum: '4'
};

/** What stands in the fields at first: what was chosen last, where that is still on offer. */
export function initialValues(
  options: readonly Option[],
  last: Readonly<Record<string, unknown>> = {}
): Values {
  const values = options.map(one => {
    const remembered = last[one.field];
    const text = toText(remembered ?? one.default);
    const offered = !one.choices || one.choices.includes(text);
    return [one.field, offered ? text : toText(one.default)];
  });
  return Object.fromEntries(values) as Values;
}

function toText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value ?? '');
}

/** What stands in the workers' fields of a cluster that is to be changed. */
export function workersOf(cluster: Cluster): IWorkers {
  const { adaptive, wanted, workers } = cluster;
  return {
    adaptive: adaptive !== null,
    workers: String(wanted ?? workers ?? 0),
    minimum: String(adaptive?.minimum ?? 0),
    maximum: adaptive ? String(adaptive.maximum ?? '') : String(Math.max(4, wanted ?? 0))
  };
}

/** Check all fields of a new cluster. */
export function check(
  options: readonly Option[],
  values: Values,
  workers: IWorkers,
  trans: TranslationBundle
): IChecked {
  const errors: Record<string, string> = {};
  const chosen: Record<string, unknown> = {};
  for (const option of options) {
    const parsed = parseOption(option, values[option.field] ?? '', trans);
    if (parsed instanceof Error) {
      errors[option.field] = parsed.message;
    } else {
      chosen[option.field] = parsed;
    }
  }
  const number = parseWorkers(workers, trans);
  Object.assign(errors, number.errors);
  const good = Object.keys(errors).length === 0;
  return {
    errors,
    request: good ? { options: chosen, workers: number.workers, adaptive: number.adaptive } : null
  };
}

function parseOption(option: Option, text: string, trans: TranslationBundle): unknown {
  switch (option.type) {
    case 'int':
    case 'float':
      return parseNumber(option, text, trans);
    case 'bool':
      return text === 'true';
    case 'mapping':
      try {
        return JSON.parse(text || '{}');
      } catch {
        return new Error(trans.__('Write it as JSON, e.g. {"NAME": "value"}'));
      }
    default:
      return text;
  }
}

function parseNumber(option: Option, text: string, trans: TranslationBundle): number | Error {
  const value = Number(text);
  const whole = option.type === 'int';
  if (text.trim() === '' || !Number.isFinite(value) || (whole && !Number.isInteger(value))) {
    return new Error(whole ? trans.__('Write a whole number') : trans.__('Write a number'));
  }
  if (option.min !== null && value < option.min) {
    return new Error(trans.__('At least %1', option.min));
  }
  if (option.max !== null && value > option.max) {
    return new Error(trans.__('At most %1', option.max));
  }
  return value;
}

/** Check how many workers are wanted. */
export function parseWorkers(
  typed: IWorkers,
  trans: TranslationBundle
): { errors: Record<string, string>; workers: number; adaptive: Adaptive | null } {
  const errors: Record<string, string> = {};
  const count = (name: 'workers' | 'minimum' | 'maximum'): number => {
    const value = Number(typed[name]);
    if (typed[name].trim() === '' || !Number.isInteger(value) || value < 0) {
      errors[name] = trans.__('Write a whole number, 0 or more');
    }
    return value;
  };
  if (!typed.adaptive) {
    return { errors, workers: count('workers'), adaptive: null };
  }
  const minimum = count('minimum');
  const maximum = typed.maximum.trim() === '' ? null : count('maximum');
  if (maximum !== null && maximum < minimum) {
    errors.maximum = trans.__('Not less than the minimum');
  }
  return { errors, workers: 0, adaptive: { minimum, maximum } };
}

export interface ICost {
  text: string;
  /** Whether it is more than its user may have, so that it will be refused. */
  tooMuch: boolean;
}

/** What a request takes of what its user may have; null where that can't be told. */
export function costText(
  request: NewCluster,
  limits: Limits | null,
  trans: TranslationBundle
): ICost | null {
  const cores = Number(request.options.worker_cores);
  const memory = Number(request.options.worker_memory) * 2 ** 30;
  if (!limits || !Number.isFinite(cores) || !Number.isFinite(memory)) {
    return null;
  }
  const { cores: some, memory: room } = limits;
  const needed = request.adaptive ? request.adaptive.minimum : request.workers;
  const tooMuch =
    some.used + needed * cores > some.limit || room.used + needed * memory > room.limit;
  const most = request.adaptive ? (request.adaptive.maximum ?? Infinity) : request.workers;
  const fitting = Math.floor(
    Math.min((some.limit - some.used) / cores, (room.limit - room.used) / memory)
  );
  // Beyond what it starts with, a cluster that follows the load takes no more than there is.
  const workers = Math.max(needed, Math.min(most, request.adaptive ? fitting : most));
  const takes = trans.__(
    '%1 with %2 and %3 GiB each: then you use %4 of %5 cores and %6 of %7 GiB.',
    workersPhrase(workers, request.adaptive !== null, trans),
    trans._n('%1 core', '%1 cores', cores),
    gib(memory),
    some.used + workers * cores,
    some.limit,
    gib(room.used + workers * memory),
    gib(room.limit)
  );
  return {
    text: tooMuch ? `${takes} ${trans.__('That is more than you may have.')}` : takes,
    tooMuch
  };
}

function workersPhrase(workers: number, most: boolean, trans: TranslationBundle): string {
  return most
    ? trans._n('Up to %1 worker', 'Up to %1 workers', workers)
    : trans._n('%1 worker', '%1 workers', workers);
}
