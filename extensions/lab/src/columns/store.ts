/** The user's requests, live, and those that are open. */

import { ISignal, Signal } from '@lumino/signaling';

import { IWatched } from '../events';
import { asFacilityError, FacilityError } from '../http';
import { Live } from '../live';
import { Observable } from '../observable';
import { Overview, RequestDetails, RequestState } from './models';

/** The requests that the store makes. */
export interface ILooks {
  details(id: string): Promise<RequestDetails>;
  /** Have the server look at once. */
  refresh(): Promise<unknown>;
}

/** What is known of a request that is open; nothing at first. */
export interface IOpened {
  details: RequestDetails | null;
  error: FacilityError | null;
}

export class ColumnsStore extends Live<Overview> {
  constructor(
    watched: IWatched<Overview>,
    private readonly looks: ILooks
  ) {
    super(watched);
    this.overview.changed.connect((_, now) => this.catchUp(now?.requests ?? []));
  }

  /** By the request's identifier. */
  readonly opened = new Observable<ReadonlyMap<string, IOpened>>(new Map());

  /** Emitted for a request that is to come into sight. */
  get shown(): ISignal<this, string> {
    return this.showing;
  }

  /** Let a request come into sight, open. */
  show(id: string): void {
    if (!this.opened.value.has(id)) {
      this.toggle(id);
    }
    this.showing.emit(id);
  }

  /** Open or close a request. */
  toggle(id: string): void {
    const next = new Map(this.opened.value);
    if (!next.delete(id)) {
      next.set(id, { details: null, error: null });
      void this.load(id);
    }
    this.opened.value = next;
  }

  async refresh(): Promise<void> {
    const all = [...this.opened.value.keys()].map(one => this.load(one));
    await Promise.allSettled([this.looks.refresh(), ...all]);
  }

  /** Ask again for what has other failures now, and forget what has gone. */
  private catchUp(requests: readonly RequestState[]): void {
    const there = new Map(requests.map(one => [one.id, one]));
    const gone = [...this.opened.value.keys()].filter(one => !there.has(one));
    if (gone.length && requests.length) {
      const kept = [...this.opened.value].filter(([one]) => !gone.includes(one));
      this.opened.value = new Map(kept);
    }
    for (const [id, { details, error }] of this.opened.value) {
      const now = there.get(id);
      if (now && (error || (details && differs(details, now)))) {
        void this.load(id);
      }
    }
  }

  private readonly showing = new Signal<this, string>(this);

  private async load(id: string): Promise<void> {
    let found: Partial<IOpened>;
    try {
      found = { details: await this.looks.details(id), error: null };
    } catch (error) {
      found = { error: asFacilityError(error) };
    }
    const known = this.opened.value.get(id);
    if (known) {
      this.opened.value = new Map(this.opened.value).set(id, { ...known, ...found });
    }
  }
}

function differs(one: RequestState, two: RequestState): boolean {
  return one.failed !== two.failed || one.state !== two.state;
}
