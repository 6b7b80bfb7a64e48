/** A dialog that lists the pages of a cluster's dashboard. */

import { Dialog } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { title } from '../clusters/format';
import { Cluster, Page } from '../clusters/models';
import { useTrans, View } from '../view';

interface IChooser {
  pages: readonly Page[];
  onOpen: (page: Page) => void;
  onLayout: () => void;
}

/** Let the user open pages, one or several, until the dialog is closed. */
export async function choosePage(
  cluster: Cluster,
  pages: readonly Page[],
  trans: TranslationBundle,
  open: (page: Page) => void,
  openLayout: () => void
): Promise<void> {
  let opened: () => void = () => undefined;
  const pick = (what: () => void) => {
    opened = what;
    dialog.resolve(0);
  };
  const chooser = (
    <Chooser
      pages={pages}
      onOpen={page => pick(() => open(page))}
      onLayout={() => pick(openLayout)}
    />
  );
  const dialog = new Dialog({
    title: trans.__('Dashboards of %1', title(cluster)),
    body: new View(trans, chooser),
    buttons: [Dialog.cancelButton({ label: trans.__('Close') })],
    focusNodeSelector: 'input'
  });
  await dialog.launch();
  opened();
}

function Chooser({ pages, onOpen, onLayout }: IChooser): React.ReactElement {
  const trans = useTrans();
  const [words, setWords] = React.useState('');
  const shown = pages.filter(one => one.title.toLowerCase().includes(words.toLowerCase()));
  const search = useEnter(() => shown[0] && onOpen(shown[0]));
  return (
    <div className="casita-Chooser">
      <input
        type="search"
        className="jp-mod-styled"
        aria-label={trans.__('Search dashboards')}
        placeholder={trans.__('Search')}
        value={words}
        onChange={event => setWords(event.target.value)}
        ref={search}
      />
      <ul aria-label={trans.__('Pages')}>
        {shown.map(one => (
          <li key={one.path}>
            <button type="button" onClick={() => onOpen(one)}>
              {one.title}
            </button>
          </li>
        ))}
      </ul>
      <button type="button" className="jp-mod-styled" onClick={onLayout}>
        {trans.__('Open the most useful ones side by side')}
      </button>
      {!shown.length && <p className="casita-quiet">{trans.__('No page is called so.')}</p>}
    </div>
  );
}

/** Do something at the Enter key of an input, which would close the dialog otherwise. */
function useEnter(act: () => void): React.RefObject<HTMLInputElement> {
  const input = React.useRef<HTMLInputElement>(null);
  React.useEffect(() => {
    // Lab's dialog listens while the event is still on its way down to the input.
    const listen = (event: KeyboardEvent) => {
      if (event.key === 'Enter' && event.target === input.current) {
        event.stopImmediatePropagation();
        event.preventDefault();
        act();
      }
    };
    window.addEventListener('keydown', listen, { capture: true });
    return () => window.removeEventListener('keydown', listen, { capture: true });
  });
  return input;
}
