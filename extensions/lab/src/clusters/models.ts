// Made by tools/typescript.py from casita_clusters.models; change that and run `make models`.

/** Bounds between which the number of workers follows the load. */
export interface Adaptive {
  minimum: number;
  maximum: number | null;
}

/** Tasks a scheduler holds, by state (distributed's names). */
export interface Tasks {
  waiting: number;
  processing: number;
  memory: number;
  erred: number;
}

/** One Dask cluster. */
export interface Cluster {
  name: string;
  label: string;
  status: 'pending' | 'running' | 'stopping' | 'stopped' | 'failed';
  workers: number | null;
  wanted: number | null;
  adaptive: Adaptive | null;
  cores: number | null;
  memory: number | null;
  memory_used: number | null;
  tasks: Tasks | null;
  dashboard: string | null;
  started: string;
  idle_ends: string | null;
  options: Record<string, unknown>;
}

/** One choice a user has when a cluster is made. */
export interface Option {
  field: string;
  label: string;
  default: unknown;
  type: string;
  min: number | null;
  max: number | null;
  choices: string[] | null;
}

/** How much of something a user has, and may have. */
export interface Limit {
  used: number;
  limit: number;
}

/** What a user may have at a time, over all clusters. */
export interface Limits {
  clusters: Limit;
  cores: Limit;
  memory: Limit;
}

/** The end of one process's log. */
export interface ProcessLog {
  process: string;
  text: string;
}

/** The logs of a cluster, running or failed. */
export interface ClusterLogs {
  logs: ProcessLog[];
  status: string;
  reason: string;
}

/** What went wrong, and what to do about it. */
export interface Problem {
  message: string;
  hint: string;
}

/** A cluster that failed, and all that is known of why. */
export interface Failure {
  name: string;
  label: string;
  started: string;
  reason: string;
  process: string;
  tail: string;
  hint: string;
}

/** All that the panel shows: one event of ``/casita/clusters/events``. */
export interface Overview {
  clusters: Cluster[];
  failures: Failure[];
  limits: Limits | null;
  problem: Problem | null;
}

/** What can be chosen for a new cluster, and what its user has already. */
export interface ClusterForm {
  options: Option[];
  limits: Limits | null;
}

/** A request for a cluster. */
export interface NewCluster {
  options: Record<string, unknown>;
  workers: number;
  adaptive: Adaptive | null;
}

/** A number of workers, set by hand. */
export interface Scale {
  workers: number;
}

/** What a cluster shall be called. */
export interface Rename {
  label: string;
}

/** One page of a cluster's dashboard. */
export interface Page {
  title: string;
  path: string;
}

/** One event of a log that is followed. */
export interface LogLines {
  process: string;
  text: string;
}

/** A package that is not the same here and on a cluster. */
export interface Difference {
  package: string;
  here: string;
  there: string | null;
}

/** How a cluster's Python environment compares with the notebook's. */
export interface Environment {
  shared: boolean;
  differences: Difference[];
}
