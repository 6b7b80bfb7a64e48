/** What the browser remembers of a user's choices, beyond a reload. */

import { IStateDB } from '@jupyterlab/statedb';
import { ReadonlyPartialJSONObject } from '@lumino/coreutils';

import { Observable } from '../observable';
import { IWorkers } from './form';
import { NewCluster } from './models';

const KEY = 'casita:clusters';
/** Failures are told of for an hour; so many can't come in that. */
const KEPT = 200;

interface IKept {
  dismissed: string[];
  options: Record<string, unknown>;
  workers?: IWorkers;
}

export class Memory {
  constructor(private readonly db: IStateDB | null) {
    void this.load();
  }

  /** Names of failed clusters that the user has read about. */
  readonly dismissed = new Observable<ReadonlySet<string>>(new Set());

  /** What was chosen for the last new cluster. */
  get last(): { options: Record<string, unknown>; workers?: IWorkers } {
    return this.kept;
  }

  dismiss(name: string): void {
    this.kept.dismissed = [...this.kept.dismissed, name].slice(-KEPT);
    this.dismissed.value = new Set(this.kept.dismissed);
    void this.save();
  }

  remember(request: NewCluster, workers: IWorkers): void {
    // A name is for one cluster.
    const { label: _, ...options } = request.options;
    Object.assign(this.kept, { options, workers });
    void this.save();
  }

  private async load(): Promise<void> {
    const kept = (await this.db?.fetch(KEY)) as Partial<IKept> | undefined;
    Object.assign(this.kept, kept);
    this.dismissed.value = new Set(this.kept.dismissed);
  }

  private async save(): Promise<void> {
    await this.db?.save(KEY, this.kept as unknown as ReadonlyPartialJSONObject);
  }

  private readonly kept: IKept = { dismissed: [], options: {} };
}
