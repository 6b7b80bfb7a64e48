/** The user's clusters, live: one stream for all that show them. */

import { Token } from '@lumino/coreutils';

import { Api, FacilityError } from '../http';
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
  constructor(api: Api) {
    void api.follow(
      'clusters/events',
      {
        onEvent: (_, data) => this.take(data as Overview),
        onState: error => this.lose(error)
      },
      new AbortController().signal
    );
  }

  readonly overview = new Observable<Overview | null>(null);
  readonly problem = new Observable<FacilityError | null>(null);

  find(name: string): Cluster | undefined {
    return this.overview.value?.clusters.find(one => one.name === name);
  }

  private take(overview: Overview): void {
    const { problem } = overview;
    this.problem.value =
      problem && new FacilityError(problem.message, problem.hint, 502, 'gateway');
    this.overview.value = overview;
  }

  private lose(error: FacilityError | null): void {
    // An open stream tells of the gateway's troubles itself.
    if (error) {
      this.problem.value = error;
    }
  }
}
