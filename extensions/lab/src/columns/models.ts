// Made by tools/typescript.py from casita_columns.models; change that and run `make models`.

import { Problem } from '../facility/models';

/** A file that came to nothing. */
export interface FileFailure {
  /** From 0, in the dataset's order. */
  number: number;
  path: string;
  message: string;
  /** First and last lines of what it said. */
  lines: string[];
  attempts: number;
}

/** A file that was delivered. */
export interface ResultFile {
  number: number;
  /** What was read. */
  path: string;
  /** Of the object. */
  name: string;
  /** Bytes. */
  size: number;
  events: number;
  /** When it was there, in microseconds; increases in a request. */
  created: number;
  /** Signed, for some hours; no token is needed. */
  url: string;
}

/** A request, and how far it is. */
export interface RequestState {
  id: string;
  title: string;
  did: string;
  dataset_id: number;
  codegen: string;
  format: string;
  destination: string;
  selection: string;
  state: 'Submitted' | 'Lookup' | 'Running' | 'Complete' | 'Fatal' | 'Canceled' | 'Bad Dataset';
  /** Why it failed, or the first file did; or "". */
  trouble: string;
  files: number;
  completed: number;
  failed: number;
  /** Written. */
  events: number;
  events_in: number;
  /** Bytes delivered. */
  size: number;
  /** Bytes read. */
  bytes_in: number;
  /** Events read each second since it began. */
  rate: number;
  /** Unix time, as the next two. */
  submitted: number;
  started: number | null;
  finished: number | null;
  /** Whether its results were there already. */
  cached: boolean;
  executor: string;
}

/** A request with what went wrong. */
export interface RequestDetails {
  id: string;
  title: string;
  did: string;
  dataset_id: number;
  codegen: string;
  format: string;
  destination: string;
  selection: string;
  state: 'Submitted' | 'Lookup' | 'Running' | 'Complete' | 'Fatal' | 'Canceled' | 'Bad Dataset';
  /** Why it failed, or the first file did; or "". */
  trouble: string;
  files: number;
  completed: number;
  failed: number;
  /** Written. */
  events: number;
  events_in: number;
  /** Bytes delivered. */
  size: number;
  /** Bytes read. */
  bytes_in: number;
  /** Events read each second since it began. */
  rate: number;
  /** Unix time, as the next two. */
  submitted: number;
  started: number | null;
  finished: number | null;
  /** Whether its results were there already. */
  cached: boolean;
  executor: string;
  failures: FileFailure[];
}

/** A dataset of the user's. */
export interface DatasetState {
  id: number;
  name: string;
  finder: string;
  did: string;
  files: number;
  /** Bytes, as far as known. */
  size: number;
  events: number;
  state: string;
  trouble: string;
  used: number;
  updated: number;
}

/** A column of a tree. */
export interface Branch {
  name: string;
  /** As uproot calls it, e.g. ``float[]``. */
  type: string;
  /** Compressed, for each event. */
  bytes: number;
}

/** A tree (TTree or RNTuple) of a file. */
export interface Tree {
  name: string;
  entries: number;
  kind: 'TTree' | 'RNTuple';
  branches: Branch[];
}

/** What the first file of a dataset holds. */
export interface Look {
  did: string;
  dataset_id: number;
  files: number;
  size: number;
  /** Of all files, as far as known, or 0. */
  events: number;
  /** The file that was looked at. */
  path: string;
  trees: Tree[];
}

/** A dataset to look at. */
export interface LookRequest {
  did: string;
  files: string[];
}

/** What the panel asks for. */
export interface NewRequest {
  title: string;
  did: string;
  /** Instead of ``did``. */
  files: string[];
  selection: string;
  codegen: string;
  format: 'parquet' | 'root-file' | 'root-rntuple';
}

/** A code generator. */
export interface Codegen {
  name: string;
  title: string;
  /** ``here``, or the ServiceX that has it. */
  where: string;
}

/** What this facility delivers, and how. */
export interface Service {
  version: string;
  codegens: Codegen[];
  finders: string[];
  workers: number;
  executor: string;
  /** Whether users' code runs in bubblewrap's walls. */
  confined: boolean;
  /** Bytes of the user's results. */
  usage: number;
  quota: number;
  /** Seconds for which results are kept. */
  keep: number;
  url: string;
}

/** All that the panel shows at a glance. */
export interface Overview {
  /** Why the rest may be out of date. */
  problem: Problem | null;
  /** Whether the facility has it. */
  configured: boolean;
  /** null until the service has answered. */
  service: Service | null;
  /** The latest first, without their selections. */
  requests: RequestState[];
}
