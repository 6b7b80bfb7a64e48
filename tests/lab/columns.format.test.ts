/** Requests for columns in words, and what a person types to name a dataset. */

import { nullTranslator } from '@jupyterlab/translation';
import { describe, expect, test } from 'vitest';

import * as format from '../../extensions/lab/src/columns/format';
import { Overview, RequestState } from '../../extensions/lab/src/columns/models';
import * as source from '../../extensions/lab/src/columns/source';

const trans = nullTranslator.load('casita');

const REQUEST: RequestState = {
  id: '0f1e2d3c-aaaa',
  title: 'muons',
  did: format.FILE_LIST,
  dataset_id: 1,
  codegen: 'uproot-raw',
  format: 'parquet',
  destination: 'object-store',
  selection: '',
  state: 'Running',
  trouble: '',
  files: 12,
  completed: 3,
  failed: 0,
  events: 1_240_000,
  events_in: 2_000_000,
  size: 34 * 2 ** 20,
  bytes_in: 0,
  rate: 12_345,
  submitted: 1000,
  started: 1001,
  finished: null,
  cached: false,
  executor: 'local'
};
const state = (more: Partial<RequestState>) => ({ ...REQUEST, ...more });
const overview = (...requests: RequestState[]): Overview => ({
  service: null,
  requests,
  configured: true,
  problem: null
});

describe('a request', () => {
  test('is called by its title, else by its dataset, else by its identifier', () => {
    const untitled = { title: '', id: '0f1e2d3c-aaaa' };
    expect(format.requestTitle(REQUEST)).toBe('muons');
    expect(format.requestTitle({ ...untitled, did: 'rucio://mc:ttbar?files=2' })).toBe('mc:ttbar');
    expect(format.requestTitle({ ...untitled, did: format.FILE_LIST })).toBe('0f1e2d3c');
  });

  test('says how far it is', () => {
    expect(format.stateText(REQUEST, trans)).toBe('25 %');
    expect(format.stateText(state({ failed: 3 }), trans)).toBe('50 %');
    expect(format.stateText(state({ state: 'Complete' }), trans)).toBe('done');
    expect(format.stateText(state({ state: 'Complete', failed: 1 }), trans)).toBe('1 file failed');
    expect(format.stateText(state({ state: 'Lookup' }), trans)).toBe('finding files…');
  });

  test('looks as it went', () => {
    const tone = (more: Partial<RequestState>) => format.toneOf(state(more));
    expect(tone({})).toBe('running');
    expect(tone({ state: 'Complete' })).toBe('good');
    expect(tone({ state: 'Complete', failed: 1 })).toBe('partial');
    expect(tone({ state: 'Complete', failed: 12, completed: 0 })).toBe('bad');
    expect(tone({ state: 'Bad Dataset' })).toBe('bad');
    expect(tone({ state: 'Canceled' })).toBe('ended');
  });

  test('tells files, events, bytes and rate', () => {
    expect(format.factsText(REQUEST, trans)).toBe(
      '3 of 12 files · 1.24 M events · 34 MiB · 12.3 kHz'
    );
    expect(format.factsText(state({ files: 0 }), trans)).toBe('');
    const nothing = { completed: 0, events: 0, size: 0, rate: 0 };
    expect(format.factsText(state(nothing), trans)).toBe('0 of 12 files');
    const whole = { files: 1, completed: 1, events: 1, state: 'Complete', rate: 0 } as const;
    expect(format.factsText(state(whole), trans)).toBe('1 file · 1 event · 34 MiB');
  });

  test('is cancelled without a question while little is lost', () => {
    const now = (seconds: number) => new Date(1000 * seconds);
    expect(format.asksBeforeCancel(REQUEST, now(1030))).toBe(false);
    expect(format.asksBeforeCancel(REQUEST, now(1062))).toBe(true);
    expect(format.asksBeforeCancel(state({ started: null }), now(5000))).toBe(false);
  });
});

test('numbers have three digits', () => {
  expect([0, 999, 1000, 12_345, 999_499, 1_500_000, 2e9].map(format.countText)).toEqual([
    '0',
    '999',
    '1 k',
    '12.3 k',
    '999 k',
    '1.5 M',
    '2 G'
  ]);
  expect(format.countText(100_000)).toBe('100 k');
  expect(format.rateText(812)).toBe('812 Hz');
  expect(format.rateText(31_400_000)).toBe('31.4 MHz');
});

test('requests that run come first, and the latest before others', () => {
  const all = [
    state({ id: 'c', state: 'Complete' }),
    state({ id: 'b' }),
    state({ id: 'a', state: 'Canceled' })
  ];
  expect(format.ordered(all).map(one => one.id)).toEqual(['b', 'c', 'a']);
});

test('only what ran before is news', () => {
  const done = state({ state: 'Complete' });
  expect(format.news(overview(REQUEST), overview(done), trans)).toEqual(['Request muons: done']);
  expect(format.news(overview(done), overview(done), trans)).toEqual([]);
  expect(format.news(null, overview(done), trans)).toEqual([]);
});

test('a failure does not say its path twice', () => {
  const path = '/data/a.root';
  expect(format.messageOf({ path, message: '/data/a.root: no such file' })).toBe('no such file');
  expect(format.messageOf({ path, message: 'no such file' })).toBe('no such file');
  expect(format.messageOf({ path, message: path })).toBe(path);
});

test('a selection is shown a line for each thing that is set; other text as it is', () => {
  const query = { treename: 'Events', filter_name: ['a', 'b'], cut: null, aliases: { c: 'a + b' } };
  expect(format.selectionText(JSON.stringify([query, { treename: { T: 'U' } }]))).toBe(
    'treename: Events\nfilter_name: a, b\naliases: {"c":"a + b"}\n\ntreename: {"T":"U"}'
  );
  expect(format.selectionText('(call Select)')).toBe('(call Select)');
  expect(format.selectionText('12')).toBe('12');
});

describe('a dataset', () => {
  test('is a name, a pattern or files', () => {
    const of = (text: string) => source.sourceOf(text);
    expect(of('  ')).toEqual({ did: '', files: [] });
    expect(of('rucio://mc:ttbar\n')).toEqual({ did: 'rucio://mc:ttbar', files: [] });
    expect(of('mc:ttbar').did).toBe('mc:ttbar');
    expect(of('root://h//a/*.root').did).toBe('root://h//a/*.root');
    expect(of('/data/').did).toBe('file:///data/');
    expect(of('/data/a.root')).toEqual({ did: '', files: ['/data/a.root'] });
    expect(of('root://h//a.root\n\n https://h/b.root ').files).toEqual([
      'root://h//a.root',
      'https://h/b.root'
    ]);
  });

  test('stands alone unless it is a file', () => {
    expect(source.troubleOf('/a.root\nrucio://x:y', trans)).toContain('this is none: rucio://x:y.');
    expect(source.troubleOf('/a.root\n/b.root', trans)).toBe('');
    expect(source.troubleOf('rucio://x:y', trans)).toBe('');
  });

  test('gives results a title', () => {
    expect(source.titleOf('/data/ttbar.root\n/data/b.root')).toBe('ttbar');
    expect(source.titleOf('root://h//store/nano/*.root')).toBe('nano');
    expect(source.titleOf('/data/ttbar_*.root')).toBe('ttbar');
    expect(source.titleOf('rucio://mc:ttbar?files=3')).toBe('mc:ttbar');
    expect(source.titleOf('cernopendata://1507')).toBe('1507');
  });

  test('is suggested if it was used, once each', () => {
    const known = (did: string, more = {}) => ({
      ...{ id: 1, name: did, finder: 'rucio', did, files: 1, size: 0, events: 0, state: 'found' },
      ...{ trouble: '', used: 0, updated: 0, ...more }
    });
    const datasets = [
      known('rucio://a:b'),
      known('user1234', { finder: 'user' }),
      known('rucio://no:thing', { trouble: 'not there' })
    ];
    const suggest = (typed: string) =>
      source.suggestions(typed, ['/x.root', 'rucio://a:b'], datasets, 5);
    expect(suggest('')).toEqual(['/x.root', 'rucio://a:b']);
    expect(suggest('A:B')).toEqual(['rucio://a:b']);
    expect(suggest('/x.root')).toEqual([]);
  });
});
