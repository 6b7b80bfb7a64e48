/** What the section of the cache keeps: open folders, what was searched, what it asks for. */

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import { DatasetState, Listing, Overview } from '../../extensions/lab/src/cache/models';
import { CacheStore } from '../../extensions/lab/src/cache/store';
import { ofDataset, ofFile, sensible, targetsOf } from '../../extensions/lab/src/cache/subject';
import * as tree from '../../extensions/lab/src/cache/tree';
import { FacilityError } from '../../extensions/lab/src/http';
import { Observable } from '../../extensions/lab/src/observable';

const EMPTY: Listing = { folders: [], files: [], complete: true };
const ROOT = 'root://far:1094//';

function dataset(name: string, title = '', more: Partial<DatasetState> = {}): DatasetState {
  const state = { tree: 'Events', files: 1, size: 1, cached: 0, fraction: 0, pinned: false };
  return { name, title, ...state, ...more };
}

function overview(cached = 0, datasets: DatasetState[] = []): Overview {
  const origin = { name: 'far', url: 'root://far:1094', addresses: ['root://far:1094'], cached };
  const more = { cache: '', up: true, files: 0, size: 1, pinned: 0, served: 0, hit: 0, missed: 0 };
  const last = { hit_ratio: null, saved: 0, open_files: 0, version: '' };
  const status = { origins: [{ ...origin, ...more, ...last }], guarded: false, lost: 0 };
  return { status, datasets, jobs: [], configured: true, problem: null };
}

describe('subjects', () => {
  const file = ofFile({
    url: 'root://far//a.root',
    origin: 'far',
    path: '/a.root',
    size: 1,
    cached: 1,
    fraction: 1,
    accesses: 0,
    last_access: null,
    pinned: false
  });

  test('become what a request is about', () => {
    expect(targetsOf(ofDataset(dataset('ttbar')))).toEqual({ urls: [], datasets: ['ttbar'] });
    expect(targetsOf(file)).toEqual({ urls: ['root://far//a.root'], datasets: [] });
    expect(file.title).toBe('a.root');
  });

  test('have the actions that make sense', () => {
    expect(sensible('prefetch', file)).toBe(false);
    expect(sensible('evict', file)).toBe(true);
    expect(sensible('evict', { ...file, pinned: true })).toBe(false);
    const elsewhere = ofDataset(dataset('x', '', { fraction: null }));
    expect(sensible('prefetch', elsewhere)).toBe(false);
    expect(sensible('pin', elsewhere)).toBe(false);
    expect(sensible('evict', elsewhere)).toBe(false);
    expect(sensible('insert', elsewhere)).toBe(true);
  });
});

describe('datasets', () => {
  const all = [dataset('ttbar', 'Top quark pairs'), dataset('dy', 'Drell-Yan')];
  const names = (words: string, found: ReadonlySet<string> | null) =>
    tree.matching(all, words, found).map(one => one.name);

  test('are all shown without words', () => {
    expect(names('  ', new Set())).toEqual(['ttbar', 'dy']);
  });

  test('are searched by name and title until the server has answered', () => {
    expect(names('QUARK pairs', null)).toEqual(['ttbar']);
    expect(names('2018', null)).toEqual([]);
    expect(names('2018', new Set(['dy']))).toEqual(['dy']);
  });
});

describe('the tree', () => {
  test('keeps what was in a folder that is closed', () => {
    let now = tree.toggled(new Map(), ROOT);
    expect(tree.opened(now)).toEqual([ROOT]);
    now = new Map(now).set(ROOT, { ...now.get(ROOT)!, listing: EMPTY });
    now = tree.toggled(now, ROOT);
    expect(tree.opened(now)).toEqual([]);
    expect(tree.toggled(now, ROOT).get(ROOT)).toEqual({
      open: true,
      listing: EMPTY,
      error: null
    });
  });

  test('is out of date where the cache holds something else', () => {
    expect(tree.stale(null, overview(1))).toEqual([]);
    expect(tree.stale(overview(1), overview(1))).toEqual([]);
    expect(tree.stale(overview(1), overview(2))).toEqual(['far']);
    expect(tree.originsOf(overview(), new Set(['far', 'gone']))).toEqual(['root://far:1094']);
  });
});

describe('the store', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  function made() {
    const value = new Observable<Overview | null>(null);
    const problem = new Observable<FacilityError | null>(null);
    const looks = {
      listing: vi.fn((_: string) => Promise.resolve(EMPTY)),
      search: vi.fn((_: string) => Promise.resolve([dataset('ttbar')])),
      refresh: vi.fn(() => Promise.resolve())
    };
    return { value, problem, looks, store: new CacheStore({ value, problem }, looks) };
  }

  test('asks for a folder when it is opened, and says why there is no answer', async () => {
    const { looks, store } = made();
    store.toggle(ROOT);
    await vi.runAllTimersAsync();
    expect(store.tree.value.get(ROOT)?.listing).toBe(EMPTY);
    store.toggle(ROOT);
    expect(looks.listing).toHaveBeenCalledTimes(1);
    looks.listing.mockRejectedValueOnce(new FacilityError('no such folder', '', 404, 'not_found'));
    store.toggle(ROOT);
    await vi.runAllTimersAsync();
    expect(store.tree.value.get(ROOT)?.error?.message).toBe('no such folder');
    expect(store.tree.value.get(ROOT)?.listing).toBe(EMPTY);
  });

  test('asks again for a folder that could not be had for a moment', async () => {
    const { looks, store } = made();
    looks.listing.mockRejectedValueOnce(new FacilityError('nobody answers', '', 502));
    store.toggle(ROOT);
    await vi.advanceTimersByTimeAsync(100);
    expect(store.tree.value.get(ROOT)?.error?.message).toBe('nobody answers');
    await vi.runAllTimersAsync();
    expect(store.tree.value.get(ROOT)).toEqual({ open: true, listing: EMPTY, error: null });
  });

  test('asks again for open folders when their cache changes, and not at each change', async () => {
    const { value, looks, store } = made();
    value.value = overview(0);
    store.toggle(ROOT);
    store.toggle('root://other:1094//');
    await vi.runAllTimersAsync();
    looks.listing.mockClear();
    value.value = overview(1);
    value.value = overview(2);
    await vi.advanceTimersByTimeAsync(2000);
    value.value = overview(3);
    await vi.runAllTimersAsync();
    expect(looks.listing.mock.calls).toEqual([[ROOT]]);
  });

  test('asks again for open folders when the service is back, and not while it is down', async () => {
    const { value, looks, store } = made();
    value.value = overview(0);
    store.toggle(ROOT);
    await vi.runAllTimersAsync();
    looks.listing.mockClear();
    value.value = { ...overview(1), problem: { message: 'down', hint: '' } };
    await vi.runAllTimersAsync();
    expect(looks.listing).not.toHaveBeenCalled();
    value.value = overview(1);
    await vi.runAllTimersAsync();
    expect(looks.listing.mock.calls).toEqual([[ROOT]]);
  });

  test('searches when nobody types any more', async () => {
    const { looks, store } = made();
    store.search('t');
    await vi.advanceTimersByTimeAsync(100);
    store.search('tt');
    await vi.runAllTimersAsync();
    expect(looks.search.mock.calls).toEqual([['tt']]);
    expect(store.found.value).toEqual(new Set(['ttbar']));
    looks.search.mockRejectedValueOnce(new FacilityError('down'));
    store.search('x');
    await vi.runAllTimersAsync();
    expect(store.searchProblem.value?.message).toBe('down');
    store.search('');
    expect([store.found.value, store.searchProblem.value]).toEqual([null, null]);
  });
});
