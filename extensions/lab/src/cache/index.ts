/** `@casita/lab:cache`: the cache of remote files, its datasets and prefetches. */

import { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStateDB } from '@jupyterlab/statedb';
import { ITranslator, nullTranslator, TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { ICode } from '../clusters/actions';
import { SHOW } from '../facility';
import { IFacilityPanel } from '../facility/token';
import { notify, paragraph } from '../notify';
import { withSetting } from '../settings';
import { View } from '../view';
import { baseName, failureText, jobText, jobTitle, newlyEnded } from './format';
import { Memory } from './memory';
import { RowMenu } from './menu';
import { Job, Overview } from './models';
import { Operations } from './operations';
import { Section, Tools } from './section';
import { CacheStore } from './store';

const ID = '@casita/lab:cache';

export const cache: JupyterFrontEndPlugin<void> = {
  id: ID,
  description: "The Facility panel's section of the cache.",
  autoStart: true,
  requires: [IFacilityPanel],
  optional: [ITranslator, ISettingRegistry, IStateDB, ICode],
  activate: (
    app: JupyterFrontEnd,
    panel: IFacilityPanel,
    translator: ITranslator | null,
    settings: ISettingRegistry | null,
    db: IStateDB | null,
    code: ICode | null
  ): void => {
    const trans = (translator ?? nullTranslator).load('casita');
    const operations = new Operations(panel.api, code, trans);
    const store = new CacheStore(panel.watch<Overview>('cache'), operations);
    const menu = new RowMenu(app, operations, trans);
    const section = { store, operations, menu, memory: new Memory(db) };
    const widget = new View(trans, React.createElement(Section, section));
    panel.addSection({
      id: 'cache',
      title: trans.__('Cache'),
      widget,
      toolbar: new View(trans, React.createElement(Tools, { store })),
      rank: 20
    });
    const teller = new Teller(app, trans, () => widget.isVisible);
    store.overview.changed.connect((_, now) => teller.take(now));
    withSetting(settings, ID, 'tellDone', value => (teller.tellDone = value === true));
    withSetting(settings, ID, 'tree', value => (operations.tree = String(value)));
  }
};

/** Tells of prefetches whose end nobody would see. */
class Teller {
  constructor(
    private readonly app: JupyterFrontEnd,
    private readonly trans: TranslationBundle,
    private readonly seen: () => boolean
  ) {}

  tellDone = true;

  take(now: Overview | null): void {
    if (now && !this.seen()) {
      newlyEnded(this.before, now).forEach(one => this.tell(one, jobTitle(one, now.datasets)));
    }
    this.before = now;
  }

  private tell(job: Job, title: string): void {
    const { trans } = this;
    if (job.state === 'failed') {
      const first = job.failures[0];
      const why = first ? `${baseName(first.url)}: ${failureText(first.message)}` : '';
      const callback = () => void this.app.commands.execute(SHOW);
      notify('warning', trans.__('The prefetch of %1 did not get all files', title), why, [
        { label: trans.__('Show'), callback, displayType: 'default' }
      ]);
    } else if (job.state === 'done' && this.tellDone) {
      const what = trans.__('The prefetch of %1 is done', title);
      Notification.success(paragraph(what, jobText(job, trans)), { autoClose: 8000 });
    }
  }

  private before: Overview | null = null;
}
