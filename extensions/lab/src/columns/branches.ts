/** Columns of a tree: which are shown, which a cut names, what they cost.  Pure. */

import { Branch, Look, Tree } from './models';

export type Order = 'file' | 'name' | 'size';

/** The columns whose name or type holds all words; a word with * or ? is a pattern of the name. */
export function matching(branches: readonly Branch[], text: string): readonly Branch[] {
  const tests = text.toLowerCase().split(/\s+/).filter(Boolean).map(testOf);
  return tests.length ? branches.filter(one => tests.every(test => test(one))) : branches;
}

function testOf(word: string): (one: Branch) => boolean {
  if (!/[*?]/.test(word)) {
    return one => one.name.toLowerCase().includes(word) || one.type.toLowerCase().includes(word);
  }
  const escaped = word.replace(/[.+^${}()|[\]\\]/g, '\\$&');
  const pattern = new RegExp(`^${escaped.replace(/\*/g, '.*').replace(/\?/g, '.')}$`, 'i');
  return one => pattern.test(one.name);
}

export function inOrder(branches: readonly Branch[], order: Order): readonly Branch[] {
  switch (order) {
    case 'file':
      return branches;
    case 'name':
      return [...branches].sort((one, two) => one.name.localeCompare(two.name));
    case 'size':
      return [...branches].sort((one, two) => two.bytes - one.bytes);
  }
}

/** What Python itself means by a word. */
const WORDS = new Set('and or not in is if else for lambda True False None np numpy'.split(' '));

/** The names in an expression that stand for columns: no functions, their arguments' or texts. */
export function namesIn(expression: string): string[] {
  const bare = expression.replace(/(["'])(?:\\.|(?!\1).)*\1/g, '""').replace(/#.*$/gm, '');
  const names = new Set<string>();
  for (const found of bare.matchAll(/(?<![\w.])([A-Za-z_][\w.]*)\s*(\(|=(?!=))?/g)) {
    const [, name, after] = found;
    if (!after && !WORDS.has(name!.split('.')[0]!)) {
      names.add(name!);
    }
  }
  return [...names];
}

/** The column that a name in an expression means: names with dots are columns, too. */
export function columnOf(name: string, there: ReadonlySet<string>): string | null {
  for (let head = name; head; head = head.slice(0, Math.max(0, head.lastIndexOf('.')))) {
    if (there.has(head)) {
      return head;
    }
  }
  return null;
}

/** A name in a cut that the tree does not have, and those that are nearly the same. */
export interface IUnknown {
  name: string;
  near: string[];
}

export function unknownIn(cut: string, tree: Tree): IUnknown | null {
  const there = new Set(tree.branches.map(one => one.name));
  const name = namesIn(cut).find(one => columnOf(one, there) === null);
  return name === undefined ? null : { name, near: nearest(name, [...there]) };
}

const NEAR = 3;

function nearest(name: string, there: readonly string[]): string[] {
  return there
    .map(one => ({ one, away: distance(name.toLowerCase(), one.toLowerCase()) }))
    .filter(({ away }) => away <= Math.max(2, name.length / 4))
    .sort((one, two) => one.away - two.away)
    .slice(0, NEAR)
    .map(({ one }) => one);
}

/** Levenshtein's: how many letters to change. */
function distance(one: string, two: string): number {
  let row = [...Array(two.length + 1).keys()];
  for (let i = 1; i <= one.length; i++) {
    const next = [i];
    for (let j = 1; j <= two.length; j++) {
      const same = one[i - 1] === two[j - 1] ? 0 : 1;
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + same));
    }
    row = next;
  }
  return row[two.length]!;
}

export interface IEstimate {
  events: number;
  /** Whether that is known, and not taken from the first file. */
  exact: boolean;
  /** Compressed bytes that have to be read: of the columns, and of those in the cut. */
  read: number;
  /** Compressed bytes of the columns, which is about what is delivered without a cut. */
  output: number;
  /** Compressed bytes of the whole tree. */
  whole: number;
}

export function estimate(
  look: Pick<Look, 'events' | 'files'>,
  tree: Tree,
  columns: readonly string[],
  cut: string
): IEstimate {
  const exact = look.events > 0 || look.files === 1;
  const events = look.events || tree.entries * Math.max(1, look.files);
  const there = new Set(tree.branches.map(one => one.name));
  const chosen = new Set(columns);
  const needed = new Set([...columns, ...namesIn(cut).map(one => columnOf(one, there) ?? '')]);
  const sum = (of: (name: string) => boolean) =>
    events * tree.branches.reduce((all, one) => all + (of(one.name) ? one.bytes : 0), 0);
  return {
    events,
    exact,
    read: sum(name => needed.has(name)),
    output: sum(name => chosen.has(name)),
    whole: sum(() => true)
  };
}
