/** What a person types to make or change a cluster, and what it means. */

import { nullTranslator } from '@jupyterlab/translation';
import { describe, expect, test } from 'vitest';

import * as form from '../../extensions/lab/src/clusters/form';
import { Cluster, Limits, Option } from '../../extensions/lab/src/clusters/models';

const trans = nullTranslator.load('casita');
const GIB = 2 ** 30;

function option(field: string, type: string, more: Partial<Option> = {}): Option {
  return { field, label: field, default: '', type, min: null, max: null, choices: null, ...more };
}

const OPTIONS = [
  option('label', 'string'),
  option('worker_cores', 'int', { default: 1, min: 1, max: 4 }),
  option('worker_memory', 'float', { default: 2, min: 0.25, max: 8 }),
  option('environment', 'select', { default: 'own', choices: ['own', 'root'] }),
  option('gpu', 'bool', { default: false }),
  option('variables', 'mapping', { default: { A: '1' } }),
  option('strange', 'colour', { default: 'red' })
];
const DEFAULTS = form.initialValues(OPTIONS);

describe('fields', () => {
  test('start with the defaults', () => {
    expect(DEFAULTS).toEqual({
      label: '',
      worker_cores: '1',
      worker_memory: '2',
      environment: 'own',
      gpu: 'false',
      variables: '{"A":"1"}',
      strange: 'red'
    });
  });

  test('start with what was chosen last, where that is on offer still', () => {
    const last = { worker_cores: 3, environment: 'gone', no_longer: 1, gpu: true };
    const values = form.initialValues(OPTIONS, last);
    expect(values).toEqual({ ...DEFAULTS, worker_cores: '3', gpu: 'true' });
  });
});

describe('a check', () => {
  const check = (values: form.Values, workers = form.DEFAULT_WORKERS) =>
    form.check(OPTIONS, { ...DEFAULTS, ...values }, workers, trans);

  test('yields what to ask for', () => {
    expect(check({ label: 'ttbar', gpu: 'true', variables: '' })).toEqual({
      errors: {},
      request: {
        options: {
          label: 'ttbar',
          worker_cores: 1,
          worker_memory: 2,
          environment: 'own',
          gpu: true,
          variables: {},
          strange: 'red'
        },
        workers: 2,
        adaptive: null
      }
    });
  });

  test.each([
    ['worker_cores', '', 'Write a whole number'],
    ['worker_cores', '1.5', 'Write a whole number'],
    ['worker_cores', '0', 'At least 1'],
    ['worker_cores', '5', 'At most 4'],
    ['worker_memory', 'much', 'Write a number'],
    ['variables', '{', 'Write it as JSON, e.g. {"NAME": "value"}']
  ])('of %s finds %j wrong', (field, text, error) => {
    expect(check({ [field]: text })).toEqual({ errors: { [field]: error }, request: null });
  });

  test('wants a whole number of workers', () => {
    for (const workers of ['', '-1', '2.5']) {
      expect(check({}, { ...form.DEFAULT_WORKERS, workers }).errors).toEqual({
        workers: 'Write a whole number, 0 or more'
      });
    }
  });
});

describe('workers that follow the load', () => {
  const bounds = (minimum: string, maximum: string) =>
    form.parseWorkers({ adaptive: true, workers: 'not looked at', minimum, maximum }, trans);

  test('have bounds, of which the upper may be left out', () => {
    expect(bounds('1', '4').adaptive).toEqual({ minimum: 1, maximum: 4 });
    expect(bounds('0', '')).toEqual({
      errors: {},
      workers: 0,
      adaptive: { minimum: 0, maximum: null }
    });
  });

  test('have no upper bound below the lower', () => {
    expect(bounds('3', '2').errors).toEqual({ maximum: 'Not less than the minimum' });
  });

  test('of a cluster stand in its form', () => {
    const cluster = { adaptive: { minimum: 1, maximum: null }, wanted: 3, workers: 2 } as Cluster;
    expect(form.workersOf(cluster)).toEqual({
      adaptive: true,
      workers: '3',
      minimum: '1',
      maximum: ''
    });
  });
});

describe('the cost', () => {
  const limits: Limits = {
    clusters: { used: 1, limit: 4 },
    cores: { used: 2, limit: 8 },
    memory: { used: 4 * GIB, limit: 16 * GIB }
  };
  const cost = (workers: number, adaptive: { minimum: number; maximum: number | null } | null) =>
    form.costText(
      { options: { worker_cores: 2, worker_memory: 2 }, workers, adaptive },
      limits,
      trans
    );

  test('adds to what is used', () => {
    expect(cost(2, null)).toEqual({
      text: '2 workers with 2 cores and 2 GiB each: then you use 6 of 8 cores and 8 of 16 GiB.',
      tooMuch: false
    });
  });

  test('may be too much', () => {
    const much = cost(4, null);
    expect(much?.tooMuch).toBe(true);
    expect(much?.text).toContain('10 of 8 cores');
    expect(much?.text).toContain('more than you may have');
    expect(cost(0, { minimum: 4, maximum: null })?.tooMuch).toBe(true);
  });

  test('of a cluster that follows the load ends where the limits are', () => {
    expect(cost(0, { minimum: 0, maximum: 2 })?.text).toContain('Up to 2 workers');
    const open = cost(0, { minimum: 0, maximum: null });
    expect(open?.text).toContain('Up to 3 workers');
    expect(open?.tooMuch).toBe(false);
  });

  test('is left out where it is not known', () => {
    const request = { options: {}, workers: 1, adaptive: null };
    expect(form.costText(request, limits, trans)).toBeNull();
    const known = { ...request, options: { worker_cores: 1, worker_memory: 1 } };
    expect(form.costText(known, null, trans)).toBeNull();
  });
});
