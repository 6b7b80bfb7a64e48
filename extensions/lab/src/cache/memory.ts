/** Which failed prefetches the user has read about, beyond a reload. */

import { IStateDB } from '@jupyterlab/statedb';

import { Observable } from '../observable';

const KEY = 'casita:cache';
/** Failures are told of for an hour; so many can't come in that. */
const KEPT = 100;

export class Memory {
  constructor(private readonly db: IStateDB | null) {
    void this.load();
  }

  /** Identifiers of prefetches. */
  readonly dismissed = new Observable<ReadonlySet<string>>(new Set());

  dismiss(id: string): void {
    const kept = [...this.dismissed.value, id].slice(-KEPT);
    this.dismissed.value = new Set(kept);
    void this.db?.save(KEY, { dismissed: kept });
  }

  private async load(): Promise<void> {
    const kept = (await this.db?.fetch(KEY)) as { dismissed?: string[] } | undefined;
    this.dismissed.value = new Set([...(kept?.dismissed ?? []), ...this.dismissed.value]);
  }
}
