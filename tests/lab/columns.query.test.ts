/** The query builder: columns, cuts, estimates, code, and what is kept. */

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import * as branches from '../../extensions/lab/src/columns/branches';
import { Builder, IAsks } from '../../extensions/lab/src/columns/builder';
import * as drafts from '../../extensions/lab/src/columns/draft';
import { movedBy } from '../../extensions/lab/src/columns/keys';
import {
  Look,
  Overview,
  RequestDetails,
  RequestState,
  Tree
} from '../../extensions/lab/src/columns/models';
import { ColumnsStore } from '../../extensions/lab/src/columns/store';
import { fetchCode, queryCode } from '../../extensions/lab/src/columns/text';
import { FacilityError } from '../../extensions/lab/src/http';
import { Observable } from '../../extensions/lab/src/observable';

const branch = (name: string, type = 'float[]', bytes = 10) => ({ name, type, bytes });
const EVENTS: Tree = {
  name: 'Events',
  entries: 1000,
  kind: 'TTree',
  branches: [
    branch('nMuon', 'uint32_t', 1),
    branch('Muon_pt'),
    branch('Muon_eta', 'float[]', 20),
    branch('MET_pt', 'float', 4),
    branch('_0.x', 'float', 5)
  ]
};
const RUNS: Tree = { name: 'Runs', entries: 1, kind: 'TTree', branches: [branch('run')] };
const LOOK: Look = {
  did: '',
  dataset_id: 7,
  files: 3,
  size: 1,
  events: 0,
  path: '/data/a.root',
  trees: [RUNS, EVENTS]
};
const DRAFT: drafts.IDraft = {
  ...drafts.EMPTY,
  source: '/data/a.root\n/data/b.root',
  tree: 'Events',
  columns: ['Muon_pt', 'MET_pt'],
  cut: ' (nMuon >= 2) & (MET_pt > 50) ',
  title: 'muons'
};

describe('columns', () => {
  const names = (text: string) => branches.matching(EVENTS.branches, text).map(one => one.name);

  test('are searched by words in name and type, and by patterns of the name', () => {
    expect(names('')).toHaveLength(5);
    expect(names('muon PT')).toEqual(['Muon_pt']);
    expect(names('muon_*')).toEqual(['Muon_pt', 'Muon_eta']);
    expect(names('*_pt float[]')).toEqual(['Muon_pt']);
    expect(names('_?.x')).toEqual(['_0.x']);
    expect(names('(')).toEqual([]);
  });

  test('are sorted without a change to what is given', () => {
    const first = (order: branches.Order) => branches.inOrder(EVENTS.branches, order)[0]!.name;
    expect([first('file'), first('name'), first('size')]).toEqual(['nMuon', '_0.x', 'Muon_eta']);
    expect(EVENTS.branches[0]!.name).toBe('nMuon');
  });
});

describe('a cut', () => {
  test('names columns, not functions, their arguments or texts', () => {
    const cut = 'sum(Muon_pt > 10, axis=1) >= 2 and not (HLT == "no Muon") & (np.abs(MET_pt)<1e3)';
    expect(branches.namesIn(cut)).toEqual(['Muon_pt', 'HLT', 'MET_pt']);
    expect(branches.namesIn("x == 'it\\'s' # y")).toEqual(['x']);
    expect(branches.namesIn('a==b')).toEqual(['a', 'b']);
  });

  test('may have columns with dots, and attributes of columns', () => {
    const there = new Set(['_0.x', 'Muon']);
    expect(branches.columnOf('_0.x', there)).toBe('_0.x');
    expect(branches.columnOf('Muon.pt', there)).toBe('Muon');
    expect(branches.columnOf('Jet.pt', there)).toBeNull();
  });

  test('tells of a name that the tree does not have, with those that are nearly the same', () => {
    expect(branches.unknownIn(DRAFT.cut, EVENTS)).toBeNull();
    expect(branches.unknownIn('nmuon > 1', EVENTS)).toEqual({ name: 'nmuon', near: ['nMuon'] });
    expect(branches.unknownIn('nonsense_here > 1', EVENTS)?.near).toEqual([]);
  });
});

describe('an estimate', () => {
  test('counts columns of the cut as read, and not as output', () => {
    expect(branches.estimate(LOOK, EVENTS, DRAFT.columns, DRAFT.cut)).toEqual({
      events: 3000,
      exact: false,
      read: 3000 * 15,
      output: 3000 * 14,
      whole: 3000 * 40
    });
  });

  test('is exact where the events are known', () => {
    const of = (more: Partial<Look>) => branches.estimate({ ...LOOK, ...more }, EVENTS, [], '');
    expect(of({ events: 2500 })).toMatchObject({ events: 2500, exact: true, read: 0 });
    expect(of({ files: 1 })).toMatchObject({ events: 1000, exact: true });
  });
});

describe('a draft', () => {
  test('becomes a request', () => {
    const request = drafts.requestOf(DRAFT);
    expect(request).toMatchObject({
      title: 'muons',
      did: '',
      files: ['/data/a.root', '/data/b.root'],
      codegen: 'uproot-raw',
      format: 'parquet'
    });
    expect(JSON.parse(request.selection)).toEqual([
      {
        treename: 'Events',
        filter_name: ['Muon_pt', 'MET_pt'],
        cut: '(nMuon >= 2) & (MET_pt > 50)'
      }
    ]);
    expect(drafts.selectionOf({ ...DRAFT, cut: ' ' })).toContain('"cut":null');
    expect(drafts.requestOf({ ...DRAFT, title: ' ' }).title).toBe('a');
  });

  test('keeps of a choice what another file has, and prefers the tree with the most columns', () => {
    expect(drafts.fitted(drafts.EMPTY, [RUNS, EVENTS]).tree).toBe('Events');
    const empty = { ...EVENTS, entries: 0 };
    expect(drafts.fitted(drafts.EMPTY, [RUNS, empty]).tree).toBe('Runs');
    const fewer = { ...EVENTS, branches: EVENTS.branches.slice(0, 2) };
    expect(drafts.fitted(DRAFT, [fewer]).columns).toEqual(['Muon_pt']);
    expect(drafts.fitted(DRAFT, []).tree).toBe('');
  });

  test('says what is missing', () => {
    expect(drafts.missingIn(drafts.EMPTY)).toBe('source');
    expect(drafts.missingIn({ ...drafts.EMPTY, source: 'x' })).toBe('look');
    expect(drafts.missingIn({ ...DRAFT, columns: [] })).toBe('columns');
    expect(drafts.missingIn(DRAFT)).toBeNull();
  });

  test('is refused where the mistake is', () => {
    const syntax = "Failed to generate translation code: query 1: cut: syntax error in 'a >'";
    expect(drafts.refusalOf(syntax, 'h')).toEqual({
      place: 'cut',
      message: "syntax error in 'a >'",
      hint: 'h'
    });
    expect(drafts.refusalOf("did: no finder is called 'x'", '').place).toBe('source');
    expect(drafts.refusalOf("there is no column 'x'", '').place).toBe('columns');
    expect(drafts.refusalOf('your results take too much', '').place).toBe('form');
  });
});

describe('code', () => {
  test('gets results by the identifier', () => {
    expect(fetchCode('ab-1', false)).toBe(
      'from casita_columns.kernel import fetch\n\nevents = fetch("ab-1").awkward()'
    );
    expect(fetchCode('ab-1', true)).toContain('fetch("ab-1", partial=True)');
  });

  test("asks in the official client's words", () => {
    expect(queryCode(DRAFT)).toBe(
      [
        'import casita_columns',
        'from servicex import dataset, query',
        '',
        'delivered = casita_columns.deliver({',
        '    "General": {"OutputFormat": "parquet"},',
        '    "Sample": [{',
        '        "Name": "muons",',
        '        "Dataset": dataset.FileList(["/data/a.root", "/data/b.root"]),',
        '        "Query": query.UprootRaw([{',
        '            "treename": "Events",',
        '            "filter_name": ["Muon_pt", "MET_pt"],',
        '            "cut": "(nMuon >= 2) & (MET_pt > 50)",',
        '        }]),',
        '    }],',
        '})',
        'events = delivered["muons"].awkward()'
      ].join('\n')
    );
  });

  test('has long lists an item a line, and no cut where there is none', () => {
    const columns = Array.from({ length: 9 }, (_, at) => `Muon_column_${at}`);
    const code = queryCode({ ...DRAFT, cut: '', columns });
    expect(code).toContain('[\n                "Muon_column_0",\n');
    expect(code).not.toContain('"cut"');
  });

  test.each([
    ['rucio://mc:ttbar', 'dataset.Rucio("mc:ttbar")'],
    ['cernopendata://1507', 'dataset.CERNOpenData(1507)'],
    ['xrootd://root://h//*.root', 'dataset.XRootD("root://h//*.root")'],
    ['root://h//*.root', 'dataset.XRootD("root://h//*.root")'],
    ['/data/*.root', 'dataset.XRootD("/data/*.root")'],
    ['catalogue://ttbar', 'dataset_identifier.DataSetIdentifier("catalogue", "ttbar")'],
    [
      'rucio://mc:ttbar?files=2',
      'dataset_identifier.DataSetIdentifier("rucio", "mc:ttbar?files=2")'
    ],
    ['mc:ttbar', 'dataset_identifier.DataSetIdentifier("rucio", "mc:ttbar")']
  ])('names %s as %s', (source, made) => {
    expect(queryCode({ ...DRAFT, source })).toContain(`"Dataset": ${made},`);
  });
});

test('keys move within a list', () => {
  expect(movedBy('ArrowDown', 0, 3, 10)).toBe(1);
  expect(movedBy('ArrowUp', 0, 3, 10)).toBe(0);
  expect(movedBy('PageDown', 0, 30, 10)).toBe(10);
  expect(movedBy('End', 0, 30, 10)).toBe(29);
  expect(movedBy('Home', 29, 30, 10)).toBe(0);
  expect(movedBy('x', 0, 3, 10)).toBeNull();
});

describe('the builder', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  function asks(): { [Name in keyof IAsks]: ReturnType<typeof vi.fn> } & IAsks {
    return {
      look: vi.fn(() => Promise.resolve(LOOK)),
      forget: vi.fn(() => Promise.resolve()),
      datasets: vi.fn(() => Promise.resolve([])),
      submit: vi.fn(() => Promise.resolve({ id: 'r1' } as RequestState)),
      insertCode: vi.fn(),
      inserts: true
    } as never;
  }

  function kept(content?: unknown) {
    return {
      fetch: vi.fn(() => Promise.resolve(content)),
      save: vi.fn((_: string, __: unknown) => Promise.resolve())
    };
  }

  test('looks, chooses a tree and remembers the dataset', async () => {
    const [server, db] = [asks(), kept()];
    const builder = new Builder(server, db as never);
    await builder.ready;
    builder.change({ source: '/data/a.root' });
    await builder.lookAt();
    expect(server.look).toHaveBeenCalledWith({ did: '', files: ['/data/a.root'] });
    expect(builder.looked.value).toEqual({ busy: false, look: LOOK, error: null });
    expect(builder.draft.value).toMatchObject({ tree: 'Events', looked: '/data/a.root' });
    await vi.runAllTimersAsync();
    expect(db.save.mock.lastCall![1]).toMatchObject({
      draft: { source: '/data/a.root' },
      recent: ['/data/a.root']
    });
  });

  test('keeps what was known when a look fails, and drops answers that come too late', async () => {
    const server = asks();
    const builder = new Builder(server, null);
    builder.change({ source: '/data/a.root' });
    await builder.lookAt();
    server.look.mockRejectedValueOnce(new FacilityError('no such file'));
    await builder.lookAt();
    expect(builder.looked.value.error?.message).toBe('no such file');
    expect(builder.looked.value.look).toBe(LOOK);
    const slow = deferred<Look>();
    server.look.mockReturnValueOnce(slow.promise);
    const first = builder.lookAt();
    await builder.lookAt();
    slow.resolve({ ...LOOK, files: 99 });
    await first;
    expect(builder.looked.value.look?.files).toBe(3);
  });

  test('does not put long lists into the state of the browser', async () => {
    const db = kept();
    const builder = new Builder(asks(), db as never);
    await builder.ready;
    builder.change({ source: '/data/a.root\n'.repeat(10_000), cut: 'x > 1' });
    await vi.runAllTimersAsync();
    expect(db.save.mock.lastCall![1]).toMatchObject({ draft: { source: '', cut: 'x > 1' } });
  });

  test('looks again after a reload at what was looked at, and only at that', async () => {
    const server = asks();
    const builder = new Builder(
      server,
      kept({ draft: { ...DRAFT, looked: DRAFT.source } }) as never
    );
    await builder.resume();
    expect(server.look).toHaveBeenCalledTimes(1);
    expect(builder.draft.value).toMatchObject({ columns: DRAFT.columns, cut: DRAFT.cut });
    await builder.resume();
    expect(server.look).toHaveBeenCalledTimes(1);
    const changed = new Builder(asks(), kept({ draft: { ...DRAFT, looked: 'x' } }) as never);
    await changed.resume();
    expect(changed.looked.value.look).toBeNull();
  });

  test('loses nothing when it is refused', async () => {
    const server = asks();
    const builder = new Builder(server, null);
    builder.change(DRAFT);
    server.submit.mockRejectedValueOnce(new FacilityError('query 1: cut: syntax error', 'why'));
    expect(await builder.submit()).toBe(false);
    expect(builder.refusal.value).toEqual({ place: 'cut', message: 'syntax error', hint: 'why' });
    expect(builder.draft.value).toEqual(DRAFT);
    builder.change({ cut: 'nMuon > 1' });
    expect(builder.refusal.value).toBeNull();
    expect(await builder.submit()).toBe(true);
    expect(builder.submitted.value).toEqual(['r1']);
  });

  test('begins anew', async () => {
    const builder = new Builder(asks(), null);
    builder.change({ source: '/data/a.root' });
    await builder.lookAt();
    builder.clear();
    expect(builder.draft.value).toEqual(drafts.EMPTY);
    expect(builder.looked.value.look).toBeNull();
    expect(builder.recent.value).toEqual(['/data/a.root']);
  });

  test('has the files of a dataset found anew', async () => {
    const server = asks();
    const builder = new Builder(server, null);
    builder.change({ source: 'rucio://a:b' });
    await builder.lookAt();
    await builder.lookAnew();
    expect(server.forget).toHaveBeenCalledWith(7);
    expect(server.look).toHaveBeenCalledTimes(2);
  });
});

describe('the store', () => {
  const request = (more: Partial<RequestState> = {}) =>
    ({ id: 'r', state: 'Running', failed: 0, ...more }) as RequestState;
  const overview = (...requests: RequestState[]): Overview => ({
    service: null,
    requests,
    configured: true,
    problem: null
  });

  function made() {
    const value = new Observable<Overview | null>(null);
    const problem = new Observable<FacilityError | null>(null);
    let answer = request();
    const looks = {
      details: vi.fn(() => Promise.resolve({ ...answer, failures: [] } as RequestDetails)),
      refresh: vi.fn(() => Promise.resolve())
    };
    const next = (one: RequestState) => {
      answer = one;
      value.value = overview(one);
    };
    return { value, problem, looks, next, store: new ColumnsStore({ value, problem }, looks) };
  }
  const settled = () => new Promise(resolve => setTimeout(resolve));

  test('asks for a request when it is opened, and again when something else failed', async () => {
    const { looks, next, store } = made();
    next(request());
    store.toggle('r');
    await settled();
    expect(store.opened.value.get('r')?.details?.id).toBe('r');
    next(request({ completed: 5 }));
    await settled();
    expect(looks.details).toHaveBeenCalledTimes(1);
    next(request({ failed: 1 }));
    await settled();
    expect(looks.details).toHaveBeenCalledTimes(2);
    expect(store.opened.value.get('r')?.details?.failed).toBe(1);
    store.toggle('r');
    expect(store.opened.value.size).toBe(0);
  });

  test('forgets what has gone, and tries again what could not be had', async () => {
    const { value, looks, next, store } = made();
    next(request());
    looks.details.mockRejectedValueOnce(new FacilityError('down'));
    store.toggle('r');
    await settled();
    expect(store.opened.value.get('r')?.error?.message).toBe('down');
    next(request());
    await settled();
    expect(store.opened.value.get('r')?.error).toBeNull();
    value.value = overview(request({ id: 'other' }));
    expect(store.opened.value.size).toBe(0);
  });
});

function deferred<T>() {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>(settle => (resolve = settle));
  return { promise, resolve };
}
