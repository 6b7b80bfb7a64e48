/** What a person types to name a dataset: its identifier, a pattern, or files, one a line.  Pure. */

import { TranslationBundle } from '@jupyterlab/translation';

import { baseName } from '../words';
import { DatasetState, LookRequest } from './models';

const SCHEME = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//;
/** Schemes of single files; every other is a finder's. */
const SERVERS = /^(x?roots?|https?|davs?|file)$/i;
/** Of patterns and folders, as against single files. */
const SEVERAL = /[*{[]|\/$/;

/** The lines that hold something. */
export function linesOf(text: string): string[] {
  return text
    .split('\n')
    .map(one => one.trim())
    .filter(Boolean);
}

/** What is meant; an empty one names nothing. */
export function sourceOf(text: string): LookRequest {
  const lines = linesOf(text);
  const [first] = lines;
  if (first === undefined) {
    return { did: '', files: [] };
  }
  return lines.length === 1 && !isFile(first)
    ? { did: first.startsWith('/') ? `file://${first}` : first, files: [] }
    : { did: '', files: lines };
}

function isFile(line: string): boolean {
  const scheme = SCHEME.exec(line)?.[1];
  const named = scheme ? SERVERS.test(scheme) : line.startsWith('/');
  return named && !SEVERAL.test(line);
}

/** Why a text can't name a dataset; "" if it may. */
export function troubleOf(text: string, trans: TranslationBundle): string {
  const lines = linesOf(text);
  const odd = lines.length > 1 ? lines.find(one => !isFile(one)) : undefined;
  return odd === undefined
    ? ''
    : trans.__(
        'Of several lines each is a file, and this is none: %1. A name or a pattern stands alone.',
        odd
      );
}

/** What to call results of it: the file's name, or what is said before a pattern begins. */
export function titleOf(text: string): string {
  const first = (linesOf(text)[0] ?? '').replace(/\?[^?]*$/, '').replace(/^\w+:\/*/, '');
  const plain = first.split(/[*{[]/)[0]!;
  const started = baseName(plain).replace(/[_.-]+$/, '');
  return plain === first ? started.replace(/\.root$/, '') : started;
}

/** Datasets by name that may be meant: those used last, each once, that hold what is typed. */
export function suggestions(
  typed: string,
  recent: readonly string[],
  datasets: readonly DatasetState[],
  most: number
): string[] {
  // A list of files is known to the service by a hash, which is nothing to choose.
  const known = datasets.filter(one => one.finder !== 'user' && !one.trouble).map(one => one.did);
  const words = typed.trim().toLowerCase();
  return [...new Set([...recent, ...known])]
    .filter(one => one !== typed.trim() && one.toLowerCase().includes(words))
    .slice(0, most);
}
