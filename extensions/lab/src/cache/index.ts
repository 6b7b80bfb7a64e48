/** `@casita/lab:cache`: the cache of remote files, its datasets and prefetches. */

import { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStateDB } from '@jupyterlab/statedb';
import { ITranslator, nullTranslator, TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { ICode } from '../clusters/actions';
import { showAction } from '../facility';
import { IFacilityPanel } from '../facility/token';
import { notify, paragraph } from '../notify';
import { onChange } from '../observable';
import { withSetting } from '../settings';
import { View } from '../view';
import { baseName } from '../words';
import { failureText, jobText, jobTitle, newlyEnded } from './format';
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
    let tellDone = true;
    onChange(store.overview, (before, now) => {
      const ended = now && !widget.isVisible ? newlyEnded(before, now) : [];
      ended.forEach(one => tell(app, one, jobTitle(one, now!.datasets), tellDone, trans));
    });
    withSetting(settings, ID, 'tellDone', value => (tellDone = value === true));
    withSetting(settings, ID, 'tree', value => (operations.tree = String(value)));
  }
};

/** Tell of a prefetch whose end nobody would see. */
function tell(
  app: JupyterFrontEnd,
  job: Job,
  title: string,
  tellDone: boolean,
  trans: TranslationBundle
): void {
  if (job.state === 'failed') {
    const first = job.failures[0];
    const why = first ? `${baseName(first.url)}: ${failureText(first.message)}` : '';
    const what = trans.__('The prefetch of %1 did not get all files', title);
    notify('warning', what, why, [showAction(app, trans)]);
  } else if (job.state === 'done' && tellDone) {
    const what = trans.__('The prefetch of %1 is done', title);
    Notification.success(paragraph(what, jobText(job, trans)), { autoClose: 8000 });
  }
}
