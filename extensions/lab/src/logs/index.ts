/** `@casita/lab:logs`: the logs of clusters as tabs. */

import { ILayoutRestorer, JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { WidgetTracker } from '@jupyterlab/apputils';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { ReadonlyJSONObject } from '@lumino/coreutils';

import { ILogs } from '../clusters/actions';
import { IFacilityPanel } from '../facility/token';
import { ILogsArgs, LogsTab } from './tab';

const OPEN = 'casita:open-logs';

export const logs: JupyterFrontEndPlugin<ILogs> = {
  id: '@casita/lab:logs',
  description: 'The logs of Dask clusters as tabs.',
  autoStart: true,
  requires: [IFacilityPanel],
  optional: [ITranslator, ILayoutRestorer],
  provides: ILogs,
  activate: (
    app: JupyterFrontEnd,
    panel: IFacilityPanel,
    translator: ITranslator | null,
    restorer: ILayoutRestorer | null
  ): ILogs => {
    const trans = (translator ?? nullTranslator).load('casita');
    const tabs = new WidgetTracker<LogsTab>({ namespace: 'casita-logs' });
    const open = (args: ILogsArgs) => {
      let tab = tabs.find(one => one.args.cluster === args.cluster);
      if (!tab) {
        tab = new LogsTab(args, panel.api, trans);
        void tabs.add(tab);
        app.shell.add(tab, 'main', { mode: 'split-bottom' });
      }
      app.shell.activateById(tab.id);
    };
    app.commands.addCommand(OPEN, {
      label: args => trans.__('Open Logs of %1', (args as Partial<ILogsArgs>).label ?? ''),
      execute: args => open(args as unknown as ILogsArgs),
      describedBy: {
        args: {
          type: 'object',
          properties: { cluster: { type: 'string' }, label: { type: 'string' } },
          required: ['cluster', 'label']
        }
      }
    });
    void restorer?.restore(tabs, {
      command: OPEN,
      args: tab => tab.args as unknown as ReadonlyJSONObject,
      name: tab => tab.id
    });
    return { open: (cluster, label) => open({ cluster, label }) };
  }
};
