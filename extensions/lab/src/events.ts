/** What the Jupyter server tells of, live: one stream for everything that a page shows. */

import { Trouble, Watches } from './facility/models';
import { Api, FacilityError } from './http';
import { Observable } from './observable';

export interface IWatched<T> {
  /** What was last told; null until something was. */
  readonly value: Observable<T | null>;
  /** Why the value may be out of date. */
  readonly problem: Observable<FacilityError | null>;
}

export class Events {
  constructor(api: Api) {
    void api.follow(
      'events',
      {
        onEvent: (name, data) => this.take(name, data),
        onState: error => error && this.fail(error)
      },
      new AbortController().signal
    );
  }

  /** What the server tells under a name, by a part of a backend's own or ours. */
  watch<T>(name: string): IWatched<T> {
    let watched = this.watched.get(name);
    if (!watched) {
      watched = {
        value: new Observable<unknown>(null),
        problem: new Observable<FacilityError | null>(this.failure ?? this.missing(name))
      };
      this.watched.set(name, watched);
    }
    return watched as IWatched<T>;
  }

  private take(name: string, data: unknown): void {
    if (name === 'watches') {
      this.failure = null;
      this.names = (data as Watches).names;
      for (const [one, { problem }] of this.watched) {
        problem.value = this.missing(one);
      }
    } else if (name === 'trouble') {
      const { watch, code, message, hint } = data as Trouble;
      this.watch(watch).problem.value = new FacilityError(message, hint, 502, code);
    } else {
      const watched = this.watch(name);
      watched.problem.value = null;
      watched.value.value = data;
    }
  }

  private fail(error: FacilityError): void {
    this.failure = error;
    for (const { problem } of this.watched.values()) {
      problem.value = error;
    }
  }

  /** What to say of a watch that the server does not have. */
  private missing(name: string): FacilityError | null {
    return this.names && !this.names.includes(name) ? new FacilityError(name, '', 404) : null;
  }

  private readonly watched = new Map<string, IWatched<unknown>>();
  private failure: FacilityError | null = null;
  private names: readonly string[] | null = null;
}
