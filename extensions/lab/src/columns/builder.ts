/** The query that is being built: kept beyond a reload, looked at, submitted. */

import { IStateDB } from '@jupyterlab/statedb';
import { ReadonlyPartialJSONObject } from '@lumino/coreutils';

import { asFacilityError, FacilityError } from '../http';
import { Observable } from '../observable';
import { EMPTY, fitted, IDraft, IRefusal, refusalOf, requestOf } from './draft';
import { DatasetState, Look, LookRequest, NewRequest, RequestState } from './models';
import { sourceOf } from './source';
import { queryCode } from './text';

const KEY = 'casita:columns';
/** Typing is kept when it rests for so long. */
const RESTS = 300;
const RECENT = 20;
/** Lists of files that are longer are not worth a place in the browser's state. */
const RECENT_LENGTH = 4000;
/** Nor is a draft with more than this. */
const SOURCE_LENGTH = 100_000;

/** What the builder asks of the server, and of notebooks. */
export interface IAsks {
  look(what: LookRequest): Promise<Look>;
  forget(dataset: number): Promise<unknown>;
  datasets(): Promise<DatasetState[]>;
  submit(request: NewRequest): Promise<RequestState>;
  insertCode(text: string): void;
  readonly inserts: boolean;
}

/** What is known of the dataset. */
export interface ILooked {
  busy: boolean;
  look: Look | null;
  error: FacilityError | null;
}

const NOTHING: ILooked = { busy: false, look: null, error: null };

interface IKept {
  draft: IDraft;
  recent: string[];
}

export class Builder {
  constructor(
    private readonly asks: IAsks,
    private readonly db: IStateDB | null
  ) {
    this.ready = this.load();
  }

  /** When what was kept is there. */
  readonly ready: Promise<void>;
  readonly draft = new Observable<IDraft>(EMPTY);
  readonly looked = new Observable<ILooked>(NOTHING);
  readonly refusal = new Observable<IRefusal | null>(null);
  readonly sending = new Observable(false);
  /** Identifiers of what was submitted from here, the latest last. */
  readonly submitted = new Observable<readonly string[]>([]);
  /** Datasets that were looked at, the latest first. */
  readonly recent = new Observable<readonly string[]>([]);
  readonly datasets = new Observable<readonly DatasetState[]>([]);

  /** Whether code can be inserted. */
  get inserts(): boolean {
    return this.asks.inserts;
  }

  change(part: Partial<IDraft>): void {
    this.draft.value = { ...this.draft.value, ...part };
    if (part.source !== undefined && this.looked.value.error) {
      this.looked.value = { ...this.looked.value, error: null };
    }
    this.refusal.value = null;
    clearTimeout(this.resting);
    this.resting = setTimeout(() => void this.save(), RESTS);
  }

  /** Begin anew, with nothing. */
  clear(): void {
    this.asked++;
    this.looked.value = NOTHING;
    this.submitted.value = [];
    this.change(EMPTY);
  }

  /** Look at the dataset that is typed. */
  async lookAt(): Promise<void> {
    const { source } = this.draft.value;
    if (!source.trim()) {
      return;
    }
    const asked = ++this.asked;
    this.looked.value = { ...this.looked.value, busy: true, error: null };
    this.refusal.value = null;
    try {
      const look = await this.asks.look(sourceOf(source));
      if (asked === this.asked) {
        this.looked.value = { busy: false, look, error: null };
        this.change({ ...fitted(this.draft.value, look.trees), looked: source });
        this.remember(source.trim());
      }
    } catch (error) {
      if (asked === this.asked) {
        this.looked.value = { ...this.looked.value, busy: false, error: plain(error) };
      }
    }
  }

  /** Have the dataset's files looked up anew, and look. */
  async lookAnew(): Promise<void> {
    const dataset = this.looked.value.look?.dataset_id;
    if (dataset !== undefined) {
      await this.asks.forget(dataset).catch(() => undefined); // what is not known is forgotten
    }
    await this.lookAt();
  }

  /** Ask for it; returns whether that was taken. */
  async submit(): Promise<boolean> {
    if (this.sending.value) {
      return false;
    }
    this.sending.value = true;
    this.refusal.value = null;
    try {
      const { id } = await this.asks.submit(requestOf(this.draft.value));
      this.submitted.value = [...this.submitted.value, id];
      return true;
    } catch (error) {
      const { message, hint } = asFacilityError(error);
      this.refusal.value = refusalOf(message, hint);
      return false;
    } finally {
      this.sending.value = false;
    }
  }

  insert(): void {
    this.asks.insertCode(queryCode(this.draft.value));
  }

  /** Learn which datasets to suggest; without an answer there are fewer. */
  async suggest(): Promise<void> {
    this.datasets.value = await this.asks.datasets().catch(() => this.datasets.value);
  }

  private remember(source: string): void {
    if (source.length <= RECENT_LENGTH) {
      const others = this.recent.value.filter(one => one !== source);
      this.recent.value = [source, ...others].slice(0, RECENT);
    }
  }

  private async load(): Promise<void> {
    const kept = (await this.db?.fetch(KEY)) as Partial<IKept> | undefined;
    this.recent.value = kept?.recent ?? [];
    if (this.draft.value === EMPTY && kept?.draft) {
      this.draft.value = { ...EMPTY, ...kept.draft };
    }
  }

  /** Look again at what was looked at before a reload. */
  async resume(): Promise<void> {
    await this.ready;
    const { source, looked } = this.draft.value;
    const { busy, look, error } = this.looked.value;
    if (looked && looked === source && !busy && !look && !error) {
      await this.lookAt();
    }
  }

  private async save(): Promise<void> {
    const { draft } = this;
    const long = draft.value.source.length > SOURCE_LENGTH;
    const kept: IKept = {
      draft: long ? { ...draft.value, source: '', looked: '' } : draft.value,
      recent: [...this.recent.value]
    };
    await this.db?.save(KEY, kept as unknown as ReadonlyPartialJSONObject);
  }

  private asked = 0;
  private resting: ReturnType<typeof setTimeout> | undefined;
}

/** An error without the words for other programs. */
function plain(error: unknown): FacilityError {
  const { message, hint, status, code } = asFacilityError(error);
  return new FacilityError(refusalOf(message, hint).message, hint, status, code);
}
