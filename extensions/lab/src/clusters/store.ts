/** The user's clusters, live: one stream for all that show them. */

import { Token } from '@lumino/coreutils';

import { FacilityError } from '../http';
import { Live } from '../live';
import { Observable } from '../observable';
import { Cluster, Overview } from './models';

export interface IClusterStore {
  /** null until the server has answered. */
  readonly overview: Observable<Overview | null>;
  /** Why the overview may be out of date. */
  readonly problem: Observable<FacilityError | null>;
  /** The cluster of this name that starts or runs. */
  find(name: string): Cluster | undefined;
}

export const IClusterStore = new Token<IClusterStore>(
  '@casita/lab:IClusterStore',
  "The user's Dask clusters, live."
);

export class ClusterStore extends Live<Overview> implements IClusterStore {
  find(name: string): Cluster | undefined {
    return this.overview.value?.clusters.find(one => one.name === name);
  }
}
