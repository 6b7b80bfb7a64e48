// Made by tools/typescript.py from casita_clusters.models; change that and run `make models`.

import { Problem } from '../facility/models';

/** Bounds between which the number of workers follows the load. */
export interface Adaptive {
  minimum: number;
  /** null: as many as the user may have. */
  maximum: number | null;
}

/** Tasks a scheduler holds, by state (distributed's names). */
export interface Tasks {
  /** Their inputs are not there yet, or no worker is. */
  waiting: number;
  processing: number;
  /** Done, with their results kept on the workers. */
  memory: number;
  erred: number;
}

/** One Dask cluster. */
export interface Cluster {
  name: string;
  /** What its owner calls it, or "". */
  label: string;
  status: 'pending' | 'running' | 'stopping' | 'stopped' | 'failed';
  /** Workers that have registered; null where nobody could be asked. */
  workers: number | null;
  /** Workers asked for, by hand or by the load. */
  wanted: number | null;
  /** null while the number of workers is set by hand. */
  adaptive: Adaptive | null;
  /** Cores of all workers. */
  cores: number | null;
  /** Memory of all workers, in bytes. */
  memory: number | null;
  /** Bytes the workers' processes hold, in steps of 16 MiB. */
  memory_used: number | null;
  tasks: Tasks | null;
  /** URL for the owner's browser. */
  dashboard: string | null;
  started: string;
  /** When it is stopped unless it gets work; null while it works or where that never happens. */
  idle_ends: string | null;
  options: Record<string, unknown>;
}

/** One choice a user has when a cluster is made. */
export interface Option {
  field: string;
  label: string;
  default: unknown;
  /** int, float, bool, string, select or mapping */
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
  /** Bytes. */
  memory: Limit;
}

/** The end of one process's log. */
export interface ProcessLog {
  /** scheduler, or worker-NAME */
  process: string;
  text: string;
}

/** The logs of a cluster, running or failed. */
export interface ClusterLogs {
  logs: ProcessLog[];
  status: string;
  /** Why it failed, or "". */
  reason: string;
}

/** A cluster that failed, and all that is known of why. */
export interface Failure {
  name: string;
  label: string;
  started: string;
  reason: string;
  /** Whose log ``tail`` is, or "". */
  process: string;
  /** The last lines of the log that is likeliest to tell. */
  tail: string;
  hint: string;
}

/** All that the panel shows. */
export interface Overview {
  /** Why the rest may be out of date. */
  problem: Problem | null;
  /** Those that start or run, oldest first. */
  clusters: Cluster[];
  /** Those of the last hour, newest first. */
  failures: Failure[];
  limits: Limits | null;
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
  /** Below ``/casita/clusters/NAME/dashboard/``. */
  path: string;
}

/** One event of a log that is followed. */
export interface LogLines {
  /** scheduler, or worker-NAME */
  process: string;
  /** New lines, without the last line's end. */
  text: string;
}

/** A package that is not the same here and on a cluster. */
export interface Difference {
  package: string;
  /** Version of the notebook. */
  here: string;
  /** Version of the cluster; null: it has none. */
  there: string | null;
}

/** How a cluster's Python environment compares with the notebook's. */
export interface Environment {
  /** Whether both are one and the same folder. */
  shared: boolean;
  differences: Difference[];
}
