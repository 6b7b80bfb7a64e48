/** `@casita/lab:columns`: the user's requests for columns, and the builder of new ones. */

import { ILayoutRestorer, JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, Notification, WidgetTracker } from '@jupyterlab/apputils';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStateDB } from '@jupyterlab/statedb';
import { ITranslator, nullTranslator, TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { ICode } from '../clusters/actions';
import { SHOW, showAction } from '../facility';
import { IFacilityPanel } from '../facility/token';
import { columnsIcon } from '../icons';
import { notify, paragraph } from '../notify';
import { onChange } from '../observable';
import { withSetting } from '../settings';
import { View } from '../view';
import { Builder } from './builder';
import { factsText, isDone, newlyEnded, requestTitle, stateText, toneOf } from './format';
import { Overview, RequestState } from './models';
import { Operations } from './operations';
import { ISection, Section, Tools } from './section';
import { ColumnsStore } from './store';
import { QueryTab } from './tab';

const ID = '@casita/lab:columns';
const NEW = 'casita:new-query';

export const columns: JupyterFrontEndPlugin<void> = {
  id: ID,
  description: "The Facility panel's section of column delivery, and its query builder.",
  autoStart: true,
  requires: [IFacilityPanel],
  optional: [ITranslator, ISettingRegistry, IStateDB, ICode, ICommandPalette, ILayoutRestorer],
  activate: (
    app: JupyterFrontEnd,
    panel: IFacilityPanel,
    translator: ITranslator | null,
    settings: ISettingRegistry | null,
    db: IStateDB | null,
    code: ICode | null,
    palette: ICommandPalette | null,
    restorer: ILayoutRestorer | null
  ): void => {
    const trans = (translator ?? nullTranslator).load('casita');
    const operations = new Operations(panel.api, code, trans);
    const store = new ColumnsStore(panel.watch<Overview>('columns'), operations);
    const builder = new Builder(operations, db);
    addBuilder(app, trans, builder, store, palette, restorer);
    const onNew = () => void app.commands.execute(NEW);
    const section: ISection = { store, operations, onNew };
    const widget = new View(trans, React.createElement(Section, section));
    panel.addSection({
      id: 'columns',
      title: trans.__('Columns'),
      widget,
      toolbar: new View(trans, React.createElement(Tools, section)),
      rank: 30
    });
    let tellDone = true;
    onChange(store.overview, (before, now) => {
      const ended = now && !widget.isVisible ? newlyEnded(before, now) : [];
      ended.forEach(one => tell(app, one, tellDone, trans));
      const running = now?.requests.filter(one => !isDone(one)).length ?? 0;
      const text = trans._n('%1 request for columns', '%1 requests for columns', running);
      panel.setSummary('columns', running ? text : null);
    });
    withSetting(settings, ID, 'tellDone', value => (tellDone = value === true));
  }
};

/** The builder's tab, one for all, and the command that opens it. */
function addBuilder(
  app: JupyterFrontEnd,
  trans: TranslationBundle,
  builder: Builder,
  store: ColumnsStore,
  palette: ICommandPalette | null,
  restorer: ILayoutRestorer | null
): void {
  const tabs = new WidgetTracker<QueryTab>({ namespace: 'casita-query' });
  const onShow = (id: string) => void app.commands.execute(SHOW).then(() => store.show(id));
  app.commands.addCommand(NEW, {
    label: trans.__('New Query for Columns'),
    icon: columnsIcon,
    execute: () => {
      let tab = tabs.currentWidget;
      if (!tab) {
        tab = new QueryTab({ builder, store, onShow }, trans);
        void tabs.add(tab);
        app.shell.add(tab, 'main');
      }
      app.shell.activateById(tab.id);
    },
    describedBy: { args: { type: 'object', properties: {} } }
  });
  palette?.addItem({ command: NEW, category: trans.__('Facility') });
  void restorer?.restore(tabs, { command: NEW, name: tab => tab.id });
}

/** Tell of a request whose end nobody would see. */
function tell(
  app: JupyterFrontEnd,
  request: RequestState,
  tellDone: boolean,
  trans: TranslationBundle
): void {
  const tone = toneOf(request);
  const title = requestTitle(request);
  if (tone === 'good' && tellDone) {
    const what = trans.__('The columns of %1 are there', title);
    Notification.success(paragraph(what, factsText(request, trans)), { autoClose: 8000 });
  } else if (tone === 'bad' || tone === 'partial') {
    const what = trans.__('Not all columns of %1 are there', title);
    const why = request.trouble.split('\n')[0] || stateText(request, trans);
    notify('warning', what, why, [showAction(app, trans)]);
  }
}
