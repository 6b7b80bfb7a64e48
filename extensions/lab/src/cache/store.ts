/** The caches and datasets, live, and the folders that are open. */

import { IWatched } from '../events';
import { asFacilityError, FacilityError } from '../http';
import { Live } from '../live';
import { Observable } from '../observable';
import { DatasetState, Listing, Overview } from './models';
import { originsOf, opened, stale, toggled, Tree } from './tree';

/** The requests that the store makes. */
export interface ILooks {
  listing(url: string): Promise<Listing>;
  search(words: string): Promise<DatasetState[]>;
  /** Have the server look at once. */
  refresh(): Promise<unknown>;
}

/** Folders are asked for at an origin, perhaps far away: not oftener than so. */
const RELOAD = 3000;
/** After so long a folder is asked for again that could not be had. */
const AGAIN = 10_000;
/** After so long without a key the search begins. */
const TYPING = 250;

export class CacheStore extends Live<Overview> {
  constructor(
    watched: IWatched<Overview>,
    private readonly looks: ILooks
  ) {
    super(watched);
    this.problem.changed.connect((_, problem) => {
      if (!problem) {
        opened(this.tree.value).forEach(one => void this.load(one));
      }
    });
    this.overview.changed.connect((_, now) => now && this.catchUp(now));
  }

  readonly tree = new Observable<Tree>(new Map());
  /** What was typed into the search box. */
  readonly words = new Observable('');
  /** Names of the datasets that hold these words; null: not asked for. */
  readonly found = new Observable<ReadonlySet<string> | null>(null);
  readonly searchProblem = new Observable<FacilityError | null>(null);

  /** Open or close a folder. */
  toggle(url: string): void {
    this.tree.value = toggled(this.tree.value, url);
    if (this.tree.value.get(url)?.open) {
      void this.load(url);
    }
  }

  /** Search the datasets when nobody types any more. */
  search(words: string): void {
    this.words.value = words;
    clearTimeout(this.typing);
    if (words.trim()) {
      this.typing = setTimeout(() => void this.find(words), TYPING);
    } else {
      this.found.value = null;
      this.searchProblem.value = null;
    }
  }

  /** Look at everything anew. */
  async refresh(): Promise<void> {
    await Promise.allSettled([this.looks.refresh(), ...opened(this.tree.value).map(this.load)]);
  }

  private async find(words: string): Promise<void> {
    try {
      const found = await this.looks.search(words);
      if (words === this.words.value) {
        this.found.value = new Set(found.map(one => one.name));
        this.searchProblem.value = null;
      }
    } catch (error) {
      this.searchProblem.value = asFacilityError(error);
    }
  }

  private readonly load = async (url: string): Promise<void> => {
    try {
      const listing = await this.looks.listing(url);
      this.put(url, { listing, error: null });
    } catch (error) {
      const why = asFacilityError(error);
      this.put(url, { error: why });
      if (why.status !== 404) {
        setTimeout(() => this.tree.value.get(url)?.error === why && void this.load(url), AGAIN);
      }
    }
  };

  private put(url: string, change: { listing?: Listing; error: FacilityError | null }): void {
    const known = this.tree.value.get(url);
    if (known) {
      this.tree.value = new Map(this.tree.value).set(url, { ...known, ...change });
    }
  }

  /** Ask for open folders again whose origin's cache holds something else now. */
  private catchUp(now: Overview): void {
    const changed = stale(this.before, now);
    this.before = now;
    changed.forEach(one => this.changed.add(one));
    if (this.changed.size && this.reloading === undefined) {
      this.reloading = setTimeout(() => {
        this.reloading = undefined;
        const origins = originsOf(this.overview.value, this.changed);
        this.changed.clear();
        if (!this.problem.value) {
          opened(this.tree.value)
            .filter(url => origins.some(one => url.startsWith(one)))
            .forEach(url => void this.load(url));
        }
      }, RELOAD);
    }
  }

  private before: Overview | null = null;
  private readonly changed = new Set<string>();
  private reloading: ReturnType<typeof setTimeout> | undefined;
  private typing: ReturnType<typeof setTimeout> | undefined;
}
