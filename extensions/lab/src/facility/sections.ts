/** Which sections the panel shows, and what stands in them.  Pure. */

import { BackendState } from './models';

export interface IOrdered {
  id: string;
  rank?: number;
}

const DEFAULT_RANK = 100;

/** Where a new section goes among those there are: by rank, then by arrival. */
export function position(present: readonly IOrdered[], added: IOrdered): number {
  const rank = added.rank ?? DEFAULT_RANK;
  const after = present.findIndex(one => (one.rank ?? DEFAULT_RANK) > rank);
  return after < 0 ? present.length : after;
}

/** What explains why a backend can't be used; null when it can. */
export function explanation(id: string, backends: readonly BackendState[]): BackendState | null {
  const found = backends.find(one => one.name === id);
  return found && found.state !== 'on' ? found : null;
}

/** Backends that need a line though no plug-in shows them. */
export function unexplained(
  backends: readonly BackendState[],
  shown: readonly IOrdered[]
): BackendState[] {
  return backends.filter(one => one.state !== 'on' && !shown.some(each => each.id === one.name));
}
