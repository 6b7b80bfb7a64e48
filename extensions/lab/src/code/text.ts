/** The code that connects a notebook to a cluster.  Pure. */

import { Cluster } from '../clusters/models';

/** Two lines of Python; the name and not the label, which may change. */
export function connectCode(cluster: Pick<Cluster, 'name' | 'label'>): string {
  const comment = cluster.label ? `  # ${cluster.label}` : '';
  return [
    'from casita_clusters import connect',
    '',
    `client = connect("${cluster.name}")${comment}`
  ].join('\n');
}
