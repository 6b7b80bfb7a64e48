/** What the rows of datasets and files have in common: a bar, buttons, a menu. */

import { codeIcon, downloadIcon, ellipsesIcon } from '@jupyterlab/ui-components';
import * as React from 'react';

import { IconButton } from '../button';
import { pinIcon } from '../icons';
import { useTrans } from '../view';
import { RowMenu } from './menu';
import { Operations } from './operations';
import { ISubject, sensible } from './subject';

export interface IDoing {
  operations: Operations;
  menu: RowMenu;
}

interface IBar {
  /** What it is a bar of, and what it says. */
  label: string;
  text: string;
  /** 0 to 1. */
  fraction: number;
  role?: 'meter' | 'progressbar';
}

export function Bar({ label, text, fraction, role = 'meter' }: IBar): React.ReactElement {
  return (
    <div
      className="casita-Meter"
      role={role}
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.floor(100 * fraction)}
      aria-valuetext={text}
      data-whole={fraction >= 1}
    >
      <div style={{ width: `${100 * Math.min(1, fraction)}%` }} />
    </div>
  );
}

export function PinMark(): React.ReactElement {
  const text = useTrans().__('Pinned: it stays through purges');
  return (
    <span className="casita-PinMark" role="img" aria-label={text} title={text}>
      <pinIcon.react tag="span" width="12px" height="12px" aria-hidden="true" />
    </span>
  );
}

interface IRow extends IDoing {
  subject: ISubject;
  className: string;
  title?: string;
  children: React.ReactNode;
}

/** A line with buttons that show when it is pointed at or has the focus, and a menu. */
export function Row(props: IRow): React.ReactElement {
  const { subject, operations, menu, className, title, children } = props;
  const context = (event: React.MouseEvent) => {
    event.preventDefault();
    event.stopPropagation();
    const active = document.activeElement;
    const from = event.currentTarget.contains(active) ? (active as HTMLElement) : null;
    menu.open(subject, event.clientX, event.clientY, from);
  };
  return (
    <li
      className={`casita-Row ${className}`}
      data-id={subject.id}
      title={title}
      onContextMenu={context}
    >
      {children}
      <RowButtons subject={subject} operations={operations} menu={menu} />
    </li>
  );
}

function RowButtons(props: IDoing & { subject: ISubject }): React.ReactElement {
  const { subject, operations, menu } = props;
  const trans = useTrans();
  const more = React.useRef<HTMLSpanElement>(null);
  const open = (event: React.MouseEvent) => {
    const button = more.current!.querySelector('button')!;
    const place = button.getBoundingClientRect();
    menu.open(subject, place.left, place.bottom, button);
    if (event.detail === 0) {
      menu.enter(); // it was a key
    }
  };
  return (
    <div
      className="casita-Row-buttons"
      role="group"
      aria-label={trans.__('Do with %1', subject.title)}
    >
      <IconButton
        icon={downloadIcon}
        label={trans.__('Prefetch')}
        disabled={!sensible('prefetch', subject)}
        onClick={() => void operations.do('prefetch', subject)}
      />
      {operations.inserts && (
        <IconButton
          icon={codeIcon}
          label={trans.__('Insert code')}
          onClick={() => void operations.do('insert', subject)}
        />
      )}
      <span ref={more}>
        <IconButton icon={ellipsesIcon} label={trans.__('More…')} menu onClick={open} />
      </span>
    </div>
  );
}

interface IMany<T> {
  all: readonly T[];
  label: string;
  className?: string;
  children: (one: T) => React.ReactElement;
}

/** Long lists make a page slow; so many are shown at first. */
const SHOWN = 50;

export function Many<T>({ all, label, className, children }: IMany<T>): React.ReactElement {
  const trans = useTrans();
  const [shown, setShown] = React.useState(SHOWN);
  const more = all.length - shown;
  return (
    <>
      <ul className={`casita-Rows ${className ?? ''}`} aria-label={label}>
        {all.slice(0, shown).map(children)}
      </ul>
      {more > 0 && (
        <div className="casita-TextButtons">
          <button type="button" onClick={() => setShown(shown + 10 * SHOWN)}>
            {trans._n('%1 more', '%1 more', more)}
          </button>
        </div>
      )}
    </>
  );
}
