/** What the panel's sections have in common: states without content, the focus, what is announced. */

import { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { FacilityError } from './http';
import { Observable, onChange, useObservable } from './observable';
import { Trouble, useTrans } from './view';

interface IFrame<T> {
  className: string;
  /** What there is to show; null until the server has answered. */
  overview: Observable<T | null>;
  /** Why the overview may be out of date. */
  problem: Observable<FacilityError | null>;
  /** What to say if the Jupyter server lacks its part. */
  missing: string;
  /** What to say before anything is known. */
  looking: string;
  /** What a screen reader is told of a change. */
  news: (before: T | null, now: T, trans: TranslationBundle) => string[];
  children: (overview: T, stale: boolean) => React.ReactNode;
}

export function Frame<T>(props: IFrame<T>): React.ReactElement {
  const overview = useObservable(props.overview);
  const problem = useObservable(props.problem);
  return (
    <div className={`casita-Frame ${props.className}`} tabIndex={-1}>
      {problem && <Trouble error={problem} missing={props.missing} />}
      {overview && props.children(overview, problem !== null)}
      {!overview && !problem && <p className="casita-quiet">{props.looking}</p>}
      <Announcer overview={props.overview} news={props.news} />
    </div>
  );
}

/** Tells screen readers what changes. */
function Announcer<T>(props: Pick<IFrame<T>, 'overview' | 'news'>): React.ReactElement {
  const { overview, news } = props;
  const trans = useTrans();
  const [text, setText] = React.useState('');
  React.useEffect(
    () =>
      onChange(overview, (before, now) => {
        const told = now ? news(before, now, trans) : [];
        if (told.length) {
          setText(told.join('. '));
        }
      }),
    [overview, news, trans]
  );
  return (
    <div className="casita-Announcer" role="status" aria-live="polite">
      {text}
    </div>
  );
}

interface IBeginning {
  text: string;
  /** Label of the button that makes the first one. */
  label: string;
  onClick: () => void;
  more: string;
}

/** What stands where there is nothing yet. */
export function Beginning({ text, label, onClick, more }: IBeginning): React.ReactElement {
  return (
    <div className="casita-Empty">
      <p>{text}</p>
      <button type="button" className="jp-mod-styled jp-mod-accept" onClick={onClick}>
        {label}
      </button>
      <p>{more}</p>
    </div>
  );
}

/** When a card or row goes that has the focus, give it to the section, not to the page's start. */
export function useFocusLeft(item: React.RefObject<HTMLElement>): void {
  React.useLayoutEffect(() => {
    const node = item.current!;
    const section = node.closest<HTMLElement>('.casita-Frame');
    return () => {
      if (node.contains(document.activeElement)) {
        section?.focus();
      }
    };
  }, [item]);
}
