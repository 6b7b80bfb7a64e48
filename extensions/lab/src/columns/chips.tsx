/** The columns that are chosen, each with a button that takes it away. */

import { closeIcon } from '@jupyterlab/ui-components';
import * as React from 'react';

import { useTrans } from '../view';

interface IChips {
  names: readonly string[];
  onChange: (names: readonly string[]) => void;
}

/** Nobody reads hundreds. */
const SHOWN = 40;

export function Chips({ names, onChange }: IChips): React.ReactElement {
  const trans = useTrans();
  const list = React.useRef<HTMLUListElement>(null);
  const [whole, setWhole] = React.useState(false);
  const shown = whole ? names : names.slice(0, SHOWN);
  const more = names.length - shown.length;
  const remove = (index: number) => {
    onChange(names.filter((_, at) => at !== index));
    // The focus goes on to the next, as the one that had it goes.
    const buttons = list.current!.querySelectorAll('button');
    (buttons[index + 1] ?? buttons[index - 1])?.focus();
  };
  return (
    <div className="casita-Chosen">
      <div className="casita-Counted">
        <span role="status">
          {names.length
            ? trans._n('%1 column selected', '%1 columns selected', names.length)
            : trans.__('No column is selected yet.')}
        </span>
        {names.length > 0 && (
          <div className="casita-TextButtons">
            <button type="button" onClick={() => onChange([])}>
              {trans.__('Unselect all')}
            </button>
          </div>
        )}
      </div>
      {names.length > 0 && (
        <ul ref={list} className="casita-Chips" aria-label={trans.__('Selected columns')}>
          {shown.map((one, index) => (
            <li key={one} className="casita-Chip">
              <span>{one}</span>
              <button
                type="button"
                title={trans.__('Unselect %1', one)}
                aria-label={trans.__('Unselect %1', one)}
                onClick={() => remove(index)}
              >
                <closeIcon.react tag="span" width="12px" height="12px" aria-hidden="true" />
              </button>
            </li>
          ))}
          {more > 0 && (
            <li className="casita-Chip-more">
              <button type="button" onClick={() => setWhole(true)}>
                {trans.__('and %1 more', more)}
              </button>
            </li>
          )}
        </ul>
      )}
    </div>
  );
}
