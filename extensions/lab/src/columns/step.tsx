/** A part of the query builder, with its heading. */

import * as React from 'react';

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
