/** The top of the panel: who is where, with how much, and for how long. */

import * as React from 'react';

import { FacilityError } from '../http';
import { Observable, useObservable } from '../observable';
import { Trouble, useNow, useTrans } from '../view';
import { FacilityState } from './models';
import { explanation } from './sections';
import { secondsUntil, span } from './time';

export interface IHeaderState {
  facility: Observable<FacilityState | null>;
  problem: Observable<FacilityError | null>;
  /** A few words of each section, by its id. */
  summaries: Observable<ReadonlyMap<string, string>>;
}

export function Header({ facility, problem, summaries }: IHeaderState): React.ReactElement {
  const trans = useTrans();
  const state = useObservable(facility);
  const error = useObservable(problem);
  const words = useObservable(summaries);
  const shown = [...words].filter(([id]) => !explanation(id, state?.backends ?? []));
  return (
    <div className="casita-Header">
      {state && (
        <div className="casita-Header-title">
          <span className="casita-Header-name" title={state.url}>
            {state.name}
          </span>
          <span className="casita-Header-user">
            {state.profile ? `${state.user} · ${state.profile}` : state.user}
          </span>
        </div>
      )}
      {shown.length > 0 && (
        <ul className="casita-Chips" aria-label={trans.__('Used of what you may have')}>
          {shown.map(([id, text]) => (
            <li key={id}>{text}</li>
          ))}
        </ul>
      )}
      {state && <Clock state={state} />}
      {error && (
        <Trouble
          error={error}
          missing={trans.__('Your Jupyter server lacks the server extension casita.jupyter')}
        />
      )}
      {!state && !error && <p className="casita-quiet">{trans.__('Looking for the facility…')}</p>}
    </div>
  );
}

function Clock({ state }: { state: FacilityState }): React.ReactElement | null {
  const trans = useTrans();
  const now = useNow(30);
  const parts: string[] = [];
  if (state.server_idle_ends) {
    const left = span(secondsUntil(state.server_idle_ends, now), trans);
    parts.push(trans.__('Server stops in %1 without use', left));
  }
  if (state.token_expires) {
    parts.push(trans.__('Token ends in %1', span(secondsUntil(state.token_expires, now), trans)));
  }
  return parts.length ? <p className="casita-quiet">{parts.join(' · ')}</p> : null;
}
