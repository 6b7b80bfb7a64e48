/** What the Facility panel says, and which sections it shows. */

import { nullTranslator } from '@jupyterlab/translation';
import { describe, expect, test } from 'vitest';

import { warnIn } from '../../extensions/lab/src/facility/culling';
import { BackendState, FacilityState } from '../../extensions/lab/src/facility/models';
import { explanation, position, unexplained } from '../../extensions/lab/src/facility/sections';
import { secondsSince, secondsUntil, span } from '../../extensions/lab/src/facility/time';
import { sentence } from '../../extensions/lab/src/view';

const trans = nullTranslator.load('casita');
const NOW = new Date('2026-03-01T12:00:00Z');

describe('spans of time', () => {
  test.each([
    [0, '0 s'],
    [59.9, '59 s'],
    [60, '1 min'],
    [3599, '59 min'],
    [3600, '1 h'],
    [7 * 3600 + 58 * 60, '7 h 58 min'],
    [86400, '1 d'],
    [2 * 86400 - 1, '1 d 23 h']
  ])('%d seconds are %s', (seconds, text) => {
    expect(span(seconds, trans)).toBe(text);
  });

  test('are never negative, as clocks differ', () => {
    expect(secondsUntil('2026-03-01T11:59:00Z', NOW)).toBe(0);
    expect(secondsSince('2026-03-01T12:00:05+00:00', NOW)).toBe(0);
    expect(secondsUntil('2026-03-01T13:00:00+00:00', NOW)).toBe(3600);
  });
});

describe('the warning before an unused server is stopped', () => {
  const state = (ends: string | null, timeout: number | null): FacilityState => ({
    name: 'casita',
    user: 'ada',
    profile: '',
    url: '',
    version: '',
    server_idle_ends: ends,
    server_idle_timeout: timeout,
    token_expires: null,
    backends: []
  });

  test('comes as early as the user wants', () => {
    expect(warnIn(state('2026-03-01T13:00:00Z', 28800), 10, NOW)).toBe(50 * 60);
    expect(warnIn(state('2026-03-01T12:09:00Z', 28800), 10, NOW)).toBe(0);
  });

  test('does not come while a short timeout has hardly begun', () => {
    expect(warnIn(state('2026-03-01T12:15:00Z', 900), 30, NOW)).toBe(900 - 225);
  });

  test('does not come where nothing is stopped, or nobody wants it', () => {
    expect(warnIn(null, 10, NOW)).toBeNull();
    expect(warnIn(state(null, null), 10, NOW)).toBeNull();
    expect(warnIn(state('2026-03-01T12:01:00Z', 28800), 0, NOW)).toBeNull();
  });
});

describe('sections', () => {
  test('go by rank, then by arrival', () => {
    const present = [{ id: 'a', rank: 10 }, { id: 'b' }, { id: 'c', rank: 200 }];
    expect(position(present, { id: 'd', rank: 1 })).toBe(0);
    expect(position(present, { id: 'd' })).toBe(2);
    expect(position(present, { id: 'd', rank: 300 })).toBe(3);
  });

  const backends = [
    { name: 'clusters', state: 'on' },
    { name: 'scans', state: 'off' },
    { name: 'files', state: 'broken' }
  ] as BackendState[];

  test('of backends that are off or broken are explained', () => {
    expect(explanation('clusters', backends)).toBeNull();
    expect(explanation('strangers', backends)).toBeNull();
    expect(explanation('scans', backends)?.state).toBe('off');
  });

  test('are added for those that no plug-in shows', () => {
    expect(unexplained(backends, [{ id: 'scans' }]).map(one => one.name)).toEqual(['files']);
  });
});

test.each([
  ['the gateway does not answer', 'The gateway does not answer.'],
  ['Reload this page.', 'Reload this page.'],
  ['run `casita up`', 'Run `casita up`']
])('services say %s', (said, shown) => {
  expect(sentence(said)).toBe(shown);
});
