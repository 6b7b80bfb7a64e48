/** What a section shows, live. */

import { IWatched } from './events';
import { SectionState } from './facility/models';
import { FacilityError } from './http';
import { Observable } from './observable';

export class Live<T extends SectionState> {
  constructor(watched: IWatched<T>) {
    this.overview = watched.value;
    const tell = () => {
      const said = this.overview.value?.problem;
      // What the stream says goes before what the service said last.
      this.problem.value =
        watched.problem.value ??
        (said ? new FacilityError(said.message, said.hint, 502, 'unavailable') : null);
    };
    watched.problem.changed.connect(tell);
    this.overview.changed.connect(tell);
    tell();
  }

  /** null until the server has answered. */
  readonly overview: Observable<T | null>;
  /** Why the overview may be out of date. */
  readonly problem = new Observable<FacilityError | null>(null);
}
