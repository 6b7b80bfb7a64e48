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
}

/** Let the user open pages, one or several, until the dialog is closed. */
export async function choosePage(
  cluster: Cluster,
  pages: readonly Page[],
  trans: TranslationBundle,
  open: (page: Page) => void,
  openLayout: () => void
): Promise<void> {
  const body = new View(trans, <Chooser pages={pages} onOpen={page => pick(page)} />);
  const dialog = new Dialog({
    title: trans.__('Dashboards of %1', title(cluster)),
    body,
    buttons: [
      Dialog.cancelButton({ label: trans.__('Close') }),
      Dialog.okButton({ label: trans.__('Open side by side') })
    ],
    focusNodeSelector: 'input'
  });
  const pick = (page: Page) => {
    open(page);
    dialog.reject();
  };
  const result = await dialog.launch();
  if (result.button.accept) {
    openLayout();
  }
}

function Chooser({ pages, onOpen }: IChooser): React.ReactElement {
  const trans = useTrans();
  const [words, setWords] = React.useState('');
  const shown = pages.filter(one => one.title.toLowerCase().includes(words.toLowerCase()));
  return (
    <div className="casita-Chooser">
      <input
        type="search"
        className="jp-mod-styled"
        aria-label={trans.__('Search dashboards')}
        placeholder={trans.__('Search')}
        value={words}
        onChange={event => setWords(event.target.value)}
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
      {!shown.length && <p className="casita-quiet">{trans.__('No page is called so.')}</p>}
    </div>
  );
}
