/** A value that tells when it changes, for widgets and React components alike. */

import { ISignal, Signal } from '@lumino/signaling';
import { useSyncExternalStore } from 'react';

export class Observable<T> {
  constructor(private current: T) {}

  get value(): T {
    return this.current;
  }

  set value(next: T) {
    if (next !== this.current) {
      this.current = next;
      this.signal.emit(next);
    }
  }

  get changed(): ISignal<this, T> {
    return this.signal;
  }

  private readonly signal = new Signal<this, T>(this);
}

/** Call `tell` with each new value and the one before; the result ends that. */
export function onChange<T>(source: Observable<T>, tell: (before: T, now: T) => void): () => void {
  let before = source.value;
  const look = (_: unknown, now: T) => {
    tell(before, now);
    before = now;
  };
  source.changed.connect(look);
  return () => void source.changed.disconnect(look);
}

/** The value, in a component that is drawn anew whenever it changes. */
export function useObservable<T>(source: Observable<T>): T {
  return useSyncExternalStore(
    notify => {
      source.changed.connect(notify);
      return () => source.changed.disconnect(notify);
    },
    () => source.value
  );
}
