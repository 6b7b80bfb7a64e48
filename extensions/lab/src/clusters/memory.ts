/** What the browser remembers of a user's choices, beyond a reload. */

import { IStateDB } from '@jupyterlab/statedb';
import { ReadonlyPartialJSONObject } from '@lumino/coreutils';

import { Observable } from '../observable';
import { IWorkers } from './form';

const KEY = 'casita:clusters';
/** Failures are told of for an hour; so many can't come in that. */
const KEPT = 100;

/** What was chosen in the form for a new cluster. */
export interface IChoice {
  options: Record<string, unknown>;
  workers?: IWorkers;
}

interface IKept {
  dismissed: string[];
  last: IChoice;
  /** By the cluster's name, so that a failed one can be tried again. */
  choices: [string, IChoice][];
}

export class Memory {
  constructor(private readonly db: IStateDB | null) {
    void this.load();
  }

  /** Names of failed clusters that the user has read about. */
  readonly dismissed = new Observable<ReadonlySet<string>>(new Set());

  /** What was chosen for the last new cluster. */
  get last(): IChoice {
    return this.kept.last;
  }

  /** What was chosen for a cluster; for one made elsewhere, what was chosen last. */
  choice(name: string, label: string): IChoice {
    const found = this.kept.choices.find(([one]) => one === name)?.[1];
    return found ?? { ...this.last, options: { ...this.last.options, label } };
  }

  dismiss(name: string): void {
    this.kept.dismissed = [...this.kept.dismissed, name].slice(-KEPT);
    this.dismissed.value = new Set(this.kept.dismissed);
    void this.save();
  }

  remember(name: string, choice: IChoice): void {
    this.kept.choices = [...this.kept.choices, [name, choice] as [string, IChoice]].slice(-KEPT);
    // A label is for one cluster.
    const { label: _, ...options } = choice.options;
    this.kept.last = { ...choice, options };
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

  private readonly kept: IKept = { dismissed: [], last: { options: {} }, choices: [] };
}
