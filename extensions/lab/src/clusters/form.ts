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
  return Object.fromEntries(values);
}

function toText(value: unknown): string {
  return value !== null && typeof value === 'object' ? JSON.stringify(value) : String(value ?? '');
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
    request: good
      ? { options: chosen, workers: number.workers, adaptive: number.adaptive }
      : null
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

/** What a request takes of what its user may have; "" where that can't be told. */
export function costText(
  request: NewCluster,
  limits: Limits | null,
  trans: TranslationBundle
): { text: string; tooMuch: boolean } {
  const cores = Number(request.options['worker_cores']);
  const memory = Number(request.options['worker_memory']) * 2 ** 30;
  if (!limits || !Number.isFinite(cores) || !Number.isFinite(memory)) {
    return { text: '', tooMuch: false };
  }
  const workers = request.adaptive ? request.adaptive.minimum : request.workers;
  const allCores = limits.cores.used + workers * cores;
  const allMemory = limits.memory.used + workers * memory;
  return {
    text: trans.__(
      'With it you use %1 of %2 cores and %3 of %4 GiB.',
      allCores,
      limits.cores.limit,
      gib(allMemory),
      gib(limits.memory.limit)
    ),
    tooMuch: allCores > limits.cores.limit || allMemory > limits.memory.limit
  };
}
