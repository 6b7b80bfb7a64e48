// Made by tools/typescript.py from casita_cache.models; change that and run `make models`.

import { Problem } from '../facility/models';

/** One file, as its cache has it. */
export interface FileState {
  /** At its origin. */
  url: string;
  origin: string;
  path: string;
  /** Bytes; of a file that the cache has not met, as its origin says. */
  size: number;
  /** Bytes on the cache's disk. */
  cached: number;
  /** ``cached / size``, 0 to 1; 1 for an empty file that the cache has met. */
  fraction: number;
  /** How often it was opened there. */
  accesses: number;
  /** Unix time. */
  last_access: number | null;
  pinned: boolean;
}

/** A folder at an origin, and what the cache has of it. */
export interface FolderState {
  url: string;
  origin: string;
  path: string;
  /** Cached ones, whole or in part, at any depth. */
  files: number;
  /** Bytes. */
  cached: number;
}

/** A folder's content; files that the cache has not met included, if the origin answered. */
export interface Listing {
  folders: FolderState[];
  files: FileState[];
  /** Whether the origin told of its files. */
  complete: boolean;
}

/** One origin's cache. Bytes. */
export interface OriginState {
  name: string;
  url: string;
  addresses: string[];
  /** Address of the cache. */
  cache: string;
  up: boolean;
  files: number;
  cached: number;
  /** Limit. */
  size: number;
  pinned: number;
  /** To readers, since the service began to count. */
  served: number;
  hit: number;
  missed: number;
  /** 0 to 1; null before the first byte. */
  hit_ratio: number | null;
  /** Bytes that did not come over the network again. */
  saved: number;
  open_files: number;
  version: string;
}

/** The caches of a facility. */
export interface Status {
  origins: OriginState[];
  /** Whether readers need storage tokens. */
  guarded: boolean;
  /** Monitoring packets that did not come: so much is not counted. */
  lost: number;
}

/** A dataset of the catalogue, and what the caches have of it. */
export interface DatasetState {
  name: string;
  title: string;
  tree: string;
  files: number;
  /** Bytes, if known of every file. */
  size: number | null;
  cached: number;
  /** Of its files' bytes; of unknown sizes, of its files. null: no cache for its origins. */
  fraction: number | null;
  /** Whether all of its files are. */
  pinned: boolean;
}

/** What a request is about: files, globs and datasets. */
export interface Targets {
  /** Files at their origins, folders (ending in /) or with * and ? in their last part. */
  urls: string[];
  datasets: string[];
}

/** A file that could not be had. */
export interface Failure {
  url: string;
  message: string;
}

/** A prefetch. */
export interface Job {
  id: string;
  user: string;
  title: string;
  /** failed: at least one file could not be had. */
  state: 'running' | 'done' | 'failed' | 'cancelled';
  files: number;
  files_done: number;
  /** Of the files whose size is known so far. */
  bytes: number;
  bytes_done: number;
  /** 0 to 1; files whose size is not known yet count as much as the others. */
  fraction: number;
  /** Bytes a second, lately. */
  rate: number;
  /** Unix time. */
  started: number;
  ended: number | null;
  /** The first twenty. */
  failures: Failure[];
}

/** What was pinned: files, the job that fetches them, and what is on disk then. */
export interface Pinned {
  files: number;
  bytes: number;
  job: Job | null;
}

/** What was removed from disk. */
export interface Evicted {
  files: number;
  bytes: number;
  /** Files that are pinned. */
  kept: number;
}

/** A file that caches closed lately. Bytes, since the service began to count. */
export interface Access {
  origin: string;
  path: string;
  hit: number;
  missed: number;
  /** How often. */
  closed: number;
}

/** A file whose cached copy gave errors. */
export interface Suspect {
  url: string;
}

/** All that a user's panel shows. */
export interface Overview {
  /** Why the rest may be out of date. */
  problem: Problem | null;
  /** Whether the facility has it. */
  configured: boolean;
  /** null until the service has answered. */
  status: Status | null;
  datasets: DatasetState[];
  /** The user's prefetches that run or ended lately, newest first. */
  jobs: Job[];
}
