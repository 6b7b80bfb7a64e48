// Made by tools/typescript.py from casita.jupyter.models; change that and run `make models`.

/** One backend of the facility, as this user's server knows it. */
export interface BackendState {
  name: string;
  title: string;
  state: 'on' | 'off' | 'broken';
  reason: string;
  remedy: string;
}

/** Who is where, and for how long: one event of ``/casita/facility/events``. */
export interface FacilityState {
  name: string;
  user: string;
  profile: string;
  url: string;
  version: string;
  server_idle_ends: string | null;
  server_idle_timeout: number | null;
  token_expires: string | null;
  backends: BackendState[];
}
