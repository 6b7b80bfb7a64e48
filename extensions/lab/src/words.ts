/** Sizes, parts and paths in words.  Pure. */

import { TranslationBundle } from '@jupyterlab/translation';

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** "0 B", "1.5 GiB", "340 MiB". */
export function sizeText(bytes: number): string {
  const power = unitOf(bytes);
  return `${inUnit(bytes, power)} ${UNITS[power]}`;
}

/** "1.2 of 100 GiB", "300 MiB of 100 GiB": the unit once, where it is the same. */
export function partText(part: number, whole: number, trans: TranslationBundle): string {
  const [few, many] = [unitOf(part), unitOf(whole)];
  const first = few === many || part === 0 ? inUnit(part, few) : sizeText(part);
  return trans.__('%1 of %2', first, sizeText(whole));
}

/** Powers of 1024 that give a number below 1000, so that it has three digits at most. */
function unitOf(bytes: number): number {
  let power = 0;
  for (let value = Math.abs(bytes); value >= 999.5 && power < UNITS.length - 1; power++) {
    value /= 1024;
  }
  return power;
}

function inUnit(bytes: number, power: number): string {
  const value = bytes / 1024 ** power;
  return Math.abs(value) >= 99.95 || power === 0
    ? value.toFixed(0)
    : value.toFixed(1).replace(/\.0$/, '');
}

/** "45 %"; 100 only of what is whole, and 0 only of nothing. */
export function percentText(fraction: number): string {
  return fraction > 0 && fraction < 0.01 ? '< 1 %' : `${Math.floor(100 * fraction)} %`;
}

/** The last part of a path. */
export function baseName(path: string): string {
  return path.replace(/\/+$/, '').split('/').at(-1) || '/';
}
