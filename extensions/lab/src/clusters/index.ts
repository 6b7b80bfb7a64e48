/** `@casita/lab:clusters`: the user's Dask clusters, wherever they were made. */

import { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStateDB } from '@jupyterlab/statedb';
import { ITranslator, nullTranslator, TranslationBundle } from '@jupyterlab/translation';
import { addIcon, stopIcon } from '@jupyterlab/ui-components';
import * as React from 'react';

import { showAction } from '../facility';
import { IFacilityPanel } from '../facility/token';
import { notify, paragraph } from '../notify';
import { onChange } from '../observable';
import { withSetting } from '../settings';
import { View } from '../view';
import { ICode, IDashboards, ILogs } from './actions';
import { newFailures, quotaText, title } from './format';
import { Memory } from './memory';
import { Failure, Overview } from './models';
import { NewCluster } from './newcluster';
import { Operations } from './operations';
import { Section, Tools } from './section';
import { ClusterStore, IClusterStore } from './store';

const ID = '@casita/lab:clusters';
const NEW = 'casita:new-cluster';
const STOP_ALL = 'casita:stop-all-clusters';

export const store: JupyterFrontEndPlugin<IClusterStore> = {
  id: '@casita/lab:cluster-store',
  description: "The user's Dask clusters, live, for all that show them.",
  requires: [IFacilityPanel],
  provides: IClusterStore,
  activate: (_, panel: IFacilityPanel) => new ClusterStore(panel.watch<Overview>('clusters'))
};

export const clusters: JupyterFrontEndPlugin<void> = {
  id: ID,
  description: "The Facility panel's section of Dask clusters.",
  autoStart: true,
  requires: [IFacilityPanel, IClusterStore],
  optional: [ITranslator, ICommandPalette, ISettingRegistry, IStateDB, IDashboards, ILogs, ICode],
  activate: (
    app: JupyterFrontEnd,
    panel: IFacilityPanel,
    live: IClusterStore,
    translator: ITranslator | null,
    palette: ICommandPalette | null,
    settings: ISettingRegistry | null,
    db: IStateDB | null,
    dashboards: IDashboards | null,
    logs: ILogs | null,
    code: ICode | null
  ): void => {
    const trans = (translator ?? nullTranslator).load('casita');
    const operations = new Operations(panel.api, trans);
    const memory = new Memory(db);
    const form = new NewCluster(operations, memory, trans);
    const partners = { dashboards, logs, code };
    const widget = new View(
      trans,
      React.createElement(Section, { store: live, operations, memory, form, ...partners })
    );
    const tools = { store: live, operations, form };
    panel.addSection({
      id: 'clusters',
      title: trans.__('Dask clusters'),
      widget,
      toolbar: new View(trans, React.createElement(Tools, tools)),
      rank: 10
    });
    addCommands(app, trans, palette, live, operations, form);
    watch(app, panel, live, widget, trans);
    withSetting(settings, ID, 'confirmStop', when => {
      operations.alwaysConfirm = when === 'always';
    });
  }
};

function addCommands(
  app: JupyterFrontEnd,
  trans: TranslationBundle,
  palette: ICommandPalette | null,
  live: IClusterStore,
  operations: Operations,
  form: NewCluster
): void {
  const all = () => live.overview.value?.clusters ?? [];
  const describedBy = { args: { type: 'object', properties: {} } };
  app.commands.addCommand(NEW, {
    label: trans.__('New Dask Cluster…'),
    icon: addIcon,
    execute: () => form.open(),
    describedBy
  });
  app.commands.addCommand(STOP_ALL, {
    label: trans.__('Stop All Dask Clusters…'),
    icon: stopIcon,
    isEnabled: () => all().length > 0,
    execute: () => operations.stopAll(all()),
    describedBy
  });
  for (const command of [NEW, STOP_ALL]) {
    palette?.addItem({ command, category: trans.__('Facility') });
  }
}

/** Keep the header's words current, and tell of failures that nobody would see. */
function watch(
  app: JupyterFrontEnd,
  panel: IFacilityPanel,
  live: IClusterStore,
  widget: View,
  trans: TranslationBundle
): void {
  onChange(live.overview, (before, now) => {
    const limits = now?.limits;
    panel.setSummary('clusters', limits ? quotaText(limits, trans) : null);
    app.commands.notifyCommandChanged(STOP_ALL);
    if (now && !widget.isVisible) {
      newFailures(before, now).forEach(one => tell(app, one, trans));
    }
  });
}

function tell(app: JupyterFrontEnd, failure: Failure, trans: TranslationBundle): void {
  const what = trans.__('Cluster %1 has failed', title(failure));
  notify('error', what, paragraph(failure.reason, failure.hint), [showAction(app, trans)]);
}
