/** A long list of columns, of which some are chosen: rows are drawn as they come into view. */

import { checkIcon } from '@jupyterlab/ui-components';
import * as React from 'react';

import { useTrans } from '../view';
import { sizeText } from '../words';
import { movedBy } from './keys';
import { Branch } from './models';

interface IColumnList {
  label: string;
  columns: readonly Branch[];
  /** Names, in the order in which they were chosen. */
  chosen: readonly string[];
  onChange: (chosen: readonly string[]) => void;
}

/** Pixels, as in the style sheet. */
const ROW = 24;
/** Rows beyond the edges, so that quick scrolling shows no gaps. */
const SPARE = 8;

export function ColumnList(props: IColumnList): React.ReactElement {
  const { label, columns, chosen, onChange } = props;
  const id = React.useId();
  const box = React.useRef<HTMLDivElement>(null);
  const view = useView(box);
  const [active, setActive] = React.useState(0);
  const anchor = React.useRef(0);
  const has = React.useMemo(() => new Set(chosen), [chosen]);
  const at = Math.min(active, columns.length - 1);

  const set = (from: number, to: number, on: boolean) => {
    const these = columns.slice(Math.min(from, to), Math.max(from, to) + 1).map(one => one.name);
    const others = new Set(these);
    onChange(
      on
        ? [...chosen, ...these.filter(one => !has.has(one))]
        : chosen.filter(one => !others.has(one))
    );
  };
  const press = (index: number, range: boolean) => {
    if (range) {
      set(anchor.current, index, true);
    } else {
      set(index, index, !has.has(columns[index]!.name));
      anchor.current = index;
    }
    setActive(index);
  };
  const onKeyDown = (event: React.KeyboardEvent) => {
    const page = Math.max(1, Math.floor(view.height / ROW) - 1);
    const next = movedBy(event.key, at, columns.length, page);
    if (event.key === ' ' || event.key === 'Enter') {
      press(at, false);
    } else if (event.key === 'a' && (event.ctrlKey || event.metaKey)) {
      set(0, columns.length - 1, true);
    } else if (next !== null) {
      if (event.shiftKey) {
        set(at, next, true);
      }
      setActive(next);
      scrollTo(box.current!, next);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation(); // Lab has commands for some of these keys
  };

  const first = Math.max(0, Math.floor(view.top / ROW) - SPARE);
  const last = Math.min(columns.length, Math.ceil((view.top + view.height) / ROW) + SPARE);
  return (
    <div
      ref={box}
      className="casita-ColumnList"
      role="listbox"
      tabIndex={0}
      aria-label={label}
      aria-multiselectable="true"
      aria-activedescendant={columns.length ? `${id}-${at}` : undefined}
      onKeyDown={columns.length ? onKeyDown : undefined}
    >
      <div role="presentation" style={{ height: columns.length * ROW }}>
        {columns.slice(first, last).map((one, index) => (
          <Row
            key={one.name}
            id={`${id}-${first + index}`}
            column={one}
            index={first + index}
            count={columns.length}
            active={first + index === at}
            chosen={has.has(one.name)}
            onPress={press}
          />
        ))}
      </div>
    </div>
  );
}

interface IRow {
  id: string;
  column: Branch;
  index: number;
  count: number;
  active: boolean;
  chosen: boolean;
  onPress: (index: number, range: boolean) => void;
}

function Row(props: IRow): React.ReactElement {
  const { id, column, index, count, active, chosen, onPress } = props;
  const trans = useTrans();
  const { name, type, bytes } = column;
  return (
    <div
      id={id}
      className="casita-Column"
      role="option"
      aria-selected={chosen}
      aria-posinset={index + 1}
      aria-setsize={count}
      data-active={active}
      title={`${name}\n${type}`}
      style={{ top: index * ROW }}
      onClick={event => onPress(index, event.shiftKey)}
    >
      <span className="casita-Check" aria-hidden="true">
        {chosen && <checkIcon.react tag="span" width="14px" height="14px" />}
      </span>
      <span className="casita-Column-name">{name}</span>
      <span className="casita-Column-type">{type}</span>
      <span className="casita-Column-size">{trans.__('%1/event', perEvent(bytes))}</span>
    </div>
  );
}

/** "1.3 B", "12 KiB": of small ones the tenths count. */
function perEvent(bytes: number): string {
  return bytes < 99.95 ? `${bytes.toFixed(bytes < 9.95 ? 1 : 0)} B` : sizeText(bytes);
}

/** Scroll no further than is needed to see a row. */
function scrollTo(box: HTMLElement, index: number): void {
  const top = index * ROW;
  if (top < box.scrollTop) {
    box.scrollTop = top;
  } else if (top + ROW > box.scrollTop + box.clientHeight) {
    box.scrollTop = top + ROW - box.clientHeight;
  }
}

/** Which part of a box is seen, in pixels. */
function useView(box: React.RefObject<HTMLElement>): { top: number; height: number } {
  const [view, setView] = React.useState({ top: 0, height: 300 });
  React.useLayoutEffect(() => {
    const node = box.current!;
    const look = () => {
      const now = { top: node.scrollTop, height: node.clientHeight };
      setView(old => (old.top === now.top && old.height === now.height ? old : now));
    };
    const observer = new ResizeObserver(look);
    observer.observe(node);
    node.addEventListener('scroll', look, { passive: true });
    look();
    return () => {
      observer.disconnect();
      node.removeEventListener('scroll', look);
    };
  }, [box]);
  return view;
}
