/** The user's clusters, live: one stream for all that show them. */

import { Token } from '@lumino/coreutils';

import { IWatched } from '../events';
import { FacilityError } from '../http';
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

export class ClusterStore implements IClusterStore {
  constructor(watched: IWatched<Overview>) {
    this.overview = watched.value;
    const tell = () => {
      const said = this.overview.value?.problem;
      // What the stream says goes before what the gateway said last.
      this.problem.value =
        watched.problem.value ??
        (said ? new FacilityError(said.message, said.hint, 502, 'gateway') : null);
    };
    watched.problem.changed.connect(tell);
    this.overview.changed.connect(tell);
    tell();
  }

  readonly overview: Observable<Overview | null>;
  readonly problem = new Observable<FacilityError | null>(null);

  find(name: string): Cluster | undefined {
    return this.overview.value?.clusters.find(one => one.name === name);
  }
}
