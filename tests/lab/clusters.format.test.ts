/** Clusters in words. */

import { nullTranslator } from '@jupyterlab/translation';
import { describe, expect, test } from 'vitest';

import * as format from '../../extensions/lab/src/clusters/format';
import { Cluster, Failure, Overview } from '../../extensions/lab/src/clusters/models';

const trans = nullTranslator.load('casita');
const IDLE = { waiting: 0, processing: 0, memory: 0, erred: 0 };

function cluster(more: Partial<Cluster> = {}): Cluster {
  return {
    name: '4e3b9bb7f3ba4e4b84aa0b04217c5973',
    label: '',
    status: 'running',
    workers: 2,
    wanted: 2,
    adaptive: null,
    cores: 2,
    memory: null,
    memory_used: null,
    tasks: IDLE,
    dashboard: null,
    started: '2026-03-01T12:00:00Z',
    idle_ends: null,
    options: {},
    ...more
  };
}

function overview(clusters: Cluster[], failures: Failure[] = []): Overview {
  return { clusters, failures, limits: null, problem: null };
}

test('a cluster is called by its label, or the start of its name', () => {
  expect(format.title(cluster())).toBe('4e3b9bb7');
  expect(format.title(cluster({ label: 'ttbar' }))).toBe('ttbar');
  expect(format.fullTitle(cluster({ name: 'a1', label: 'ttbar' }))).toBe('ttbar (a1)');
});

test.each([
  [0, '0'],
  [2 ** 30, '1'],
  [1.26 * 2 ** 30, '1.3'],
  [250.4 * 2 ** 30, '250']
])('%d bytes are %s GiB', (bytes, text) => {
  expect(format.gib(bytes)).toBe(text);
});

test('the state says whether it computes', () => {
  const state = (more: Partial<Cluster>) => format.stateText(cluster(more), trans);
  expect(state({ status: 'pending', tasks: null })).toBe('starting');
  expect(state({})).toBe('running');
  expect(state({ tasks: { ...IDLE, waiting: 1 } })).toBe('computing');
  expect(state({ status: 'stopping' })).toBe('stopping');
});

test('workers: those there are, of those asked for', () => {
  const workers = (more: Partial<Cluster>) => format.workersText(cluster(more), trans);
  expect(workers({ workers: 1, wanted: 1 })).toBe('1 worker');
  expect(workers({ workers: 0, wanted: 2 })).toBe('0 of 2 workers');
  expect(workers({ workers: null })).toBe('workers not known');
  const text = '2 workers, follows the load';
  expect(workers({ adaptive: { minimum: 0, maximum: 4 } })).toBe(`${text} (0 to 4)`);
  expect(workers({ adaptive: { minimum: 1, maximum: null } })).toBe(`${text} (1 or more)`);
});

test('tasks: only the states there are', () => {
  const tasks = (more: Partial<typeof IDLE>) =>
    format.tasksText(cluster({ tasks: { ...IDLE, ...more } }), trans);
  expect(tasks({})).toBe('');
  expect(tasks({ processing: 4, waiting: 120, memory: 33, erred: 2 })).toBe(
    '4 running, 120 waiting, 33 kept, 2 failed'
  );
  expect(format.tasksText(cluster({ tasks: null }), trans)).toBe('');
});

test('the quota is what is used of what there may be', () => {
  const limits = {
    clusters: { used: 2, limit: 4 },
    cores: { used: 3, limit: 8 },
    memory: { used: 0, limit: 1 }
  };
  expect(format.quotaText(limits, trans)).toBe('3 of 8 cores, 2 clusters');
});

describe('what a screen reader is told', () => {
  const failure = { name: 'b', label: 'broken' } as Failure;
  const news = (before: Overview | null, now: Overview) => format.news(before, now, trans);

  test('is nothing at first, and nothing of numbers', () => {
    expect(news(null, overview([cluster()]))).toEqual([]);
    expect(news(overview([cluster()]), overview([cluster({ workers: 3 })]))).toEqual([]);
  });

  test('is who starts, runs, has stopped or failed', () => {
    const a = cluster({ name: 'a', status: 'pending' });
    const b = cluster({ name: 'b', label: 'broken', status: 'pending' });
    const c = cluster({ name: 'c' });
    expect(news(overview([a, b]), overview([{ ...a, status: 'running' }, b]))).toEqual([
      'Cluster a is running'
    ]);
    expect(news(overview([c]), overview([a]))).toEqual([
      'Cluster a is starting',
      'Cluster c has stopped'
    ]);
    expect(news(overview([b]), overview([], [failure]))).toEqual(['Cluster broken has failed']);
  });

  test('does not name a failure twice', () => {
    const both = overview([], [failure]);
    expect(format.newFailures(both, both)).toEqual([]);
    expect(format.newFailures(null, both)).toEqual([]);
  });
});

test.each([
  [5, 'started just now'],
  [725, 'started 12 min ago']
])('%d seconds of age are %s', (seconds, text) => {
  expect(format.ageText(seconds, trans)).toBe(text);
});
