/** A part of the query builder with its heading, and why the service refuses it. */

import * as React from 'react';

import { Message } from '../view';
import { IRefusal } from './draft';

interface IStep {
  title: string;
  children: React.ReactNode;
}

export function Step({ title, children }: IStep): React.ReactElement {
  const id = React.useId();
  return (
    <section className="casita-Step" aria-labelledby={id}>
      <h2 id={id}>{title}</h2>
      {children}
    </section>
  );
}

/** Comes into sight: who submits looks at the end of the form. */
export function Refused({ refusal }: { refusal: IRefusal }): React.ReactElement {
  const box = React.useRef<HTMLDivElement>(null);
  React.useEffect(() => {
    box.current!.scrollIntoView({ block: 'nearest' });
  }, [refusal]);
  return (
    <div ref={box}>
      <Message kind="error" message={refusal.message} hint={refusal.hint} />
    </div>
  );
}
