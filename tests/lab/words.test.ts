/** Sizes and parts in words. */

import { nullTranslator } from '@jupyterlab/translation';
import { expect, test } from 'vitest';

import * as words from '../../extensions/lab/src/words';

const trans = nullTranslator.load('casita');
const GIB = 2 ** 30;

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1 KiB'],
  [1536, '1.5 KiB'],
  [352599, '344 KiB'],
  [1023 * 2 ** 20, '1 GiB'],
  [99.96 * 2 ** 20, '100 MiB'],
  [1.26 * GIB, '1.3 GiB'],
  [100 * GIB, '100 GiB'],
  [2 ** 60, '1024 PiB']
])('%d bytes are %s', (bytes, text) => {
  expect(words.sizeText(bytes)).toBe(text);
});

test('a part of a whole names the unit once where it is the same', () => {
  expect(words.partText(1.2 * GIB, 100 * GIB, trans)).toBe('1.2 of 100 GiB');
  expect(words.partText(300 * 2 ** 20, 100 * GIB, trans)).toBe('300 MiB of 100 GiB');
  expect(words.partText(0, 100 * GIB, trans)).toBe('0 of 100 GiB');
});

test.each([
  [0, '0 %'],
  [0.001, '< 1 %'],
  [0.459, '45 %'],
  [0.9999, '99 %'],
  [1, '100 %']
])('the part %d is %s', (fraction, text) => {
  expect(words.percentText(fraction)).toBe(text);
});
