/** What can be done with a dataset or a file.  Pure. */

import { baseName } from '../words';
import { datasetTitle } from './format';
import { DatasetState, FileState, Targets } from './models';

/** A dataset or a file; plain, so that commands can take it as their arguments. */
export interface ISubject {
  kind: 'dataset' | 'file';
  /** The dataset's name, or the file's URL at its origin. */
  id: string;
  title: string;
  /** Bytes on the cache's disk. */
  cached: number;
  /** 0 to 1; null: no cache is for it. */
  fraction: number | null;
  pinned: boolean;
}

export type Action = 'prefetch' | 'pin' | 'evict' | 'insert' | 'copy';

export function ofDataset(dataset: DatasetState): ISubject {
  const { name, cached, fraction, pinned } = dataset;
  return { kind: 'dataset', id: name, title: datasetTitle(dataset), cached, fraction, pinned };
}

export function ofFile(file: FileState): ISubject {
  const { url, path, cached, fraction, pinned } = file;
  return { kind: 'file', id: url, title: baseName(path), cached, fraction, pinned };
}

export function targetsOf({ kind, id }: ISubject): Targets {
  return kind === 'dataset' ? { urls: [], datasets: [id] } : { urls: [id], datasets: [] };
}

/** Whether there is a point in it. */
export function sensible(action: Action, subject: ISubject): boolean {
  const { cached, fraction, pinned } = subject;
  switch (action) {
    case 'prefetch':
      return fraction !== null && fraction < 1;
    case 'pin':
      return fraction !== null;
    case 'evict':
      return cached > 0 && !pinned;
    default:
      return true;
  }
}
