/** The cache in words. */

import { nullTranslator } from '@jupyterlab/translation';
import { describe, expect, test } from 'vitest';

import * as format from '../../extensions/lab/src/cache/format';
import {
  DatasetState,
  FileState,
  Job,
  OriginState,
  Overview
} from '../../extensions/lab/src/cache/models';
import { datasetCode, fileCode } from '../../extensions/lab/src/cache/text';

const trans = nullTranslator.load('casita');
const GIB = 2 ** 30;
const NOW = new Date('2026-03-01T12:00:00Z');

const ORIGIN: OriginState = {
  name: 'far',
  url: 'root://far.example.org:1094',
  addresses: ['root://far.example.org:1094', 'https://far.example.org:8443'],
  cache: 'root://127.0.0.1:4000',
  up: true,
  files: 2,
  cached: GIB,
  size: 100 * GIB,
  pinned: 0,
  served: 4 * GIB,
  hit: 3 * GIB,
  missed: GIB,
  hit_ratio: 0.75,
  saved: 2 * GIB,
  open_files: 1,
  version: 'v5.5.3'
};
const DATASET: DatasetState = {
  name: 'ttbar',
  title: 'Top quark pairs',
  tree: 'Events',
  files: 2,
  size: 3 * GIB,
  cached: 0,
  fraction: 0,
  pinned: false
};
const FILE: FileState = {
  url: 'root://far.example.org:1094//store/a.root',
  origin: 'far',
  path: '/store/a.root',
  size: 2000,
  cached: 1000,
  fraction: 0.5,
  accesses: 3,
  last_access: NOW.getTime() / 1000 - 300,
  pinned: true
};
const JOB: Job = {
  id: 'a',
  user: 'ada',
  title: 'ttbar',
  state: 'running',
  files: 2,
  files_done: 1,
  bytes: 3 * GIB,
  bytes_done: GIB,
  fraction: 1 / 3,
  rate: 110 * 2 ** 20,
  started: 0,
  ended: null,
  failures: []
};

function overview(more: Partial<Overview> = {}): Overview {
  const status = { origins: [ORIGIN], guarded: false, lost: 0 };
  return { status, datasets: [DATASET], jobs: [], configured: true, problem: null, ...more };
}

test('hits: what readers got, and what the network was spared', () => {
  expect(format.hitsText(ORIGIN, trans)).toBe('75 % hits · 2 GiB WAN saved');
  expect(format.hitsText({ ...ORIGIN, saved: -5 }, trans)).toContain('0 B WAN saved');
  expect(format.hitsText({ ...ORIGIN, hit_ratio: null }, trans)).toBe('no reads yet');
});

test("an origin's tooltip holds all of its addresses", () => {
  const title = format.originTitle({ ...ORIGIN, pinned: GIB }, trans);
  ORIGIN.addresses.forEach(one => expect(title).toContain(one));
  expect(title).toContain('1 GiB pinned');
  expect(title).toContain('1 file open');
});

test('a dataset is called by its title', () => {
  expect(format.datasetTitle(DATASET)).toBe('Top quark pairs');
  expect(format.datasetText(DATASET, trans)).toBe('2 files · 3 GiB');
  const plain = { ...DATASET, title: '', size: null, files: 1 };
  expect(format.datasetTitle(plain)).toBe('ttbar');
  expect(format.datasetText(plain, trans)).toBe('1 file');
});

test("a file's tooltip says how much of it is cached, and when it was used", () => {
  const title = format.fileTitle(FILE, NOW, trans).split('\n');
  expect(title).toEqual([
    FILE.url,
    '1 of 2 KiB cached (50 %)',
    'opened 3 times',
    'last used 5 min ago',
    'pinned: it stays through purges'
  ]);
  const unmet = { ...FILE, accesses: 0, last_access: null, pinned: false, cached: 0, fraction: 0 };
  expect(format.fileTitle(unmet, NOW, trans).split('\n')).toHaveLength(2);
});

describe('prefetches', () => {
  test('are called by what is fetched', () => {
    const title = (text: string) => format.jobTitle({ ...JOB, title: text }, [DATASET]);
    expect(title('ttbar')).toBe('Top quark pairs');
    expect(title('root://h:1094//store/a.root')).toBe('a.root');
    expect(title('root://h:1094//store/a.root and 3 more')).toBe('a.root and 3 more');
    expect(title('root://h:1094//store/')).toBe('root://h:1094//store/');
  });

  test('say how far they are, and how fast', () => {
    expect(format.jobText(JOB, trans)).toBe('1 of 3 GiB · 1 of 2 files · 110 MiB/s');
    const done = { ...JOB, state: 'done' as const, files: 1, bytes_done: JOB.bytes };
    expect(format.jobText(done, trans)).toBe('3 GiB');
    expect(format.jobState(JOB, trans)).toBe('33 %');
    expect(format.jobState(done, trans)).toBe('done');
  });

  test('name why a file could not be had, without the address of the cache', () => {
    const message = 'root://127.0.0.1:44535//store/x.root: there is no such file';
    expect(format.failureText(message)).toBe('there is no such file');
    const other = 'root://127.0.0.1:44535//store/x.root has 5 bytes, the catalogue says 6';
    expect(format.failureText(other)).toBe('has 5 bytes, the catalogue says 6');
    expect(format.failureText('the service made a mistake')).toBe('the service made a mistake');
  });
});

describe('what a screen reader is told', () => {
  const news = (before: Overview | null, now: Overview) => format.news(before, now, trans);

  test('is nothing at first, and nothing of numbers', () => {
    expect(news(null, overview({ jobs: [JOB] }))).toEqual([]);
    const further = { ...JOB, bytes_done: 2 * GIB };
    expect(news(overview({ jobs: [JOB] }), overview({ jobs: [further] }))).toEqual([]);
  });

  test('is which prefetch ended, and which cache went down', () => {
    const failed = { ...JOB, state: 'failed' as const };
    expect(news(overview({ jobs: [JOB] }), overview({ jobs: [failed] }))).toEqual([
      'Prefetch of Top quark pairs: failed'
    ]);
    const down = { origins: [{ ...ORIGIN, up: false }], guarded: false, lost: 0 };
    expect(news(overview(), overview({ status: down }))).toEqual(['The cache of far is down']);
    expect(format.newlyEnded(null, overview({ jobs: [failed] }))).toEqual([]);
  });
});

test('code for datasets and files is Python whatever they are called', () => {
  expect(datasetCode('ttbar')).toBe('import casita_cache\nfileset = casita_cache.fileset("ttbar")');
  expect(datasetCode('a "b"')).toContain('fileset("a \\"b\\"")');
  expect(fileCode('root://h//a.root', 'Events')).toBe(
    'import uproot\ntree = uproot.open("root://h//a.root")["Events"]'
  );
});
