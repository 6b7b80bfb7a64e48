// Made by tools/typescript.py from casita.jupyter.models; change that and run `make models`.

/** The first event of ``/casita/events``: what the others may be named. */
export interface Watches {
  names: string[];
}

/** An event of ``/casita/events``: a watch that can't look. */
export interface Trouble {
  watch: string;
  code: string;
  message: string;
  hint: string;
}

/** Why a section is not up to date, and what to do about it. */
export interface Problem {
  message: string;
  hint: string;
}

/** All that a section of the panel shows: an event of ``/casita/events``. */
export interface SectionState {
  /** Why the rest may be out of date. */
  problem: Problem | null;
}

/** The same of a service that a facility need not have. */
export interface ServiceSectionState {
  /** Why the rest may be out of date. */
  problem: Problem | null;
  /** Whether the facility has it. */
  configured: boolean;
}

/** One backend of the facility, as this user's server knows it. */
export interface BackendState {
  name: string;
  title: string;
  /** off: the operator's choice; broken: its part of the Jupyter server could not be loaded. */
  state: 'on' | 'off' | 'broken';
  reason: string;
  remedy: string;
}

/** Who is where, and for how long: an event of ``/casita/events``. */
export interface FacilityState {
  /** Of the facility. */
  name: string;
  user: string;
  /** embedded, multiuser, ...; "" outside a facility's own servers. */
  profile: string;
  url: string;
  /** Of casita. */
  version: string;
  /** When this server is stopped unless it is used; null where that never happens. */
  server_idle_ends: string | null;
  /** Seconds. */
  server_idle_timeout: number | null;
  /** When the server's token ends; null: with the server. */
  token_expires: string | null;
  backends: BackendState[];
}
