/** Values that change, and why they may be out of date. */

import { expect, test } from 'vitest';

import { SectionState } from '../../extensions/lab/src/facility/models';
import { FacilityError } from '../../extensions/lab/src/http';
import { Live } from '../../extensions/lab/src/live';
import { Observable, onChange } from '../../extensions/lab/src/observable';

test('the problem of the stream is told before that of the service', () => {
  const value = new Observable<SectionState | null>(null);
  const problem = new Observable<FacilityError | null>(null);
  const live = new Live({ value, problem });
  value.value = { problem: { message: 'the service is down', hint: 'wait' } };
  expect(live.problem.value?.message).toBe('the service is down');
  problem.value = new FacilityError('no server');
  expect(live.problem.value?.message).toBe('no server');
  problem.value = null;
  value.value = { problem: null };
  expect(live.problem.value).toBeNull();
});

test('each change is told with the value before, until nobody wants to know', () => {
  const source = new Observable(1);
  const told: number[][] = [];
  const end = onChange(source, (before, now) => told.push([before, now]));
  source.value = 2;
  source.value = 2;
  source.value = 5;
  end();
  source.value = 6;
  expect(told).toEqual([
    [1, 2],
    [2, 5]
  ]);
});
