/** Which folders are open, and what is in them; which datasets are shown.  Pure. */

import { FacilityError } from '../http';
import { DatasetState, Listing, OriginState, Overview } from './models';

export interface INode {
  open: boolean;
  /** What was last told; null while nothing was. */
  listing: Listing | null;
  error: FacilityError | null;
}

/** Folders that were opened, by URL. */
export type Tree = ReadonlyMap<string, INode>;

/** The URL of all that an origin has. */
export function rootOf(origin: OriginState): string {
  return `${origin.url}//`;
}

/** The tree with a folder opened, or closed; what was in it is kept until it is told anew. */
export function toggled(tree: Tree, url: string): Tree {
  const known = tree.get(url) ?? { open: false, listing: null, error: null };
  return new Map(tree).set(url, { ...known, open: !known.open, error: null });
}

/** The folders that are open. */
export function opened(tree: Tree): string[] {
  return [...tree].filter(([, one]) => one.open).map(([url]) => url);
}

/** Names of the origins whose cache holds other files than before. */
export function stale(before: Overview | null, now: Overview): string[] {
  const known = new Map(before?.status?.origins.map(one => [one.name, held(one)]));
  return (now.status?.origins ?? [])
    .filter(one => known.has(one.name) && known.get(one.name) !== held(one))
    .map(one => one.name);
}

function held(origin: OriginState): string {
  return [origin.files, origin.cached, origin.pinned, origin.up].join();
}

/** Addresses of origins, by their names. */
export function originsOf(overview: Overview | null, names: ReadonlySet<string>): string[] {
  return (overview?.status?.origins ?? [])
    .filter(one => names.has(one.name))
    .flatMap(one => one.addresses);
}

/** The datasets that a search has found; until the server has answered, those whose names fit. */
export function matching(
  datasets: readonly DatasetState[],
  words: string,
  found: ReadonlySet<string> | null
): DatasetState[] {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  if (!wanted.length) {
    return [...datasets];
  }
  return datasets.filter(one => {
    const text = `${one.name} ${one.title}`.toLowerCase();
    return found ? found.has(one.name) : wanted.every(word => text.includes(word));
  });
}
