/** A query that somebody builds, and what becomes of it.  Pure. */

import { NewRequest, Tree } from './models';
import { sourceOf, titleOf } from './source';

export type Format = NewRequest['format'];

export interface IDraft {
  /** As typed: a dataset's name, or files, one a line. */
  source: string;
  /** What was looked at last; "" until then. */
  looked: string;
  tree: string;
  columns: readonly string[];
  cut: string;
  title: string;
  format: Format;
}

export const EMPTY: IDraft = {
  source: '',
  looked: '',
  tree: '',
  columns: [],
  cut: '',
  title: '',
  format: 'parquet'
};

/** The query in the words of the code generator `uproot-raw`. */
export function selectionOf({ tree, columns, cut }: IDraft): string {
  return JSON.stringify([{ treename: tree, filter_name: columns, cut: cut.trim() || null }]);
}

export function requestOf(draft: IDraft): NewRequest {
  return {
    ...sourceOf(draft.source),
    title: titleFor(draft),
    selection: selectionOf(draft),
    codegen: 'uproot-raw',
    format: draft.format
  };
}

export function titleFor({ title, source }: IDraft): string {
  return title.trim() || titleOf(source);
}

/** A draft for a file with these trees: what is not there is dropped. */
export function fitted(draft: IDraft, trees: readonly Tree[]): IDraft {
  const tree = trees.find(one => one.name === draft.tree) ?? mainOf(trees);
  const there = new Set(tree?.branches.map(one => one.name));
  const columns = draft.columns.filter(one => there.has(one));
  return { ...draft, tree: tree?.name ?? '', columns };
}

/** The tree that is most likely meant: the one with the most columns among those with events. */
function mainOf(trees: readonly Tree[]): Tree | undefined {
  const filled = trees.filter(one => one.entries);
  return [...(filled.length ? filled : trees)].sort(
    (one, two) => two.branches.length - one.branches.length
  )[0];
}

/** Where in the form a refusal belongs. */
export type Place = 'source' | 'columns' | 'cut' | 'form';

export interface IRefusal {
  place: Place;
  message: string;
  hint: string;
}

/** What the service says of a query, without the words for other programs. */
export function refusalOf(message: string, hint: string): IRefusal {
  const said = message
    .replace(/^Failed to generate translation code: /, '')
    .replace(/^query \d+: /, '');
  return { place: placeOf(said), message: said.replace(/^(cut|did|file-list): /, ''), hint };
}

function placeOf(said: string): Place {
  if (/^(did|file-list)\b/.test(said)) {
    return 'source';
  }
  if (/^cut\b/.test(said)) {
    return 'cut';
  }
  return /^(filter_name|there is no column)\b/.test(said) ? 'columns' : 'form';
}

/** What is still to do before it can be submitted, first things first; null: nothing. */
export function missingIn(draft: IDraft): 'source' | 'look' | 'columns' | null {
  if (!draft.source.trim()) {
    return 'source';
  }
  if (!draft.tree) {
    return 'look';
  }
  return draft.columns.length ? null : 'columns';
}
