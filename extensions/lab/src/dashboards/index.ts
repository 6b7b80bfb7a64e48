/** `@casita/lab:dashboards`: the pages of clusters' dashboards as tabs, alone or side by side. */

import { ILayoutRestorer, JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { WidgetTracker } from '@jupyterlab/apputils';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator, nullTranslator, TranslationBundle } from '@jupyterlab/translation';
import { ReadonlyJSONObject } from '@lumino/coreutils';

import { IDashboards } from '../clusters/actions';
import { title } from '../clusters/format';
import { Cluster, Page } from '../clusters/models';
import { IClusterStore } from '../clusters/store';
import { IFacilityPanel } from '../facility/token';
import { FacilityError } from '../http';
import { notifyError } from '../notify';
import { choosePage } from './chooser';
import { chosen, plan } from './layout';
import { pagesOf } from './pages';
import { DashboardTab, ITabArgs, tabArgs, tabId } from './tab';

const ID = '@casita/lab:dashboards';
const OPEN = 'casita:open-dashboard';

export const dashboards: JupyterFrontEndPlugin<IDashboards> = {
  id: ID,
  description: "The pages of Dask clusters' dashboards as tabs.",
  autoStart: true,
  requires: [IFacilityPanel, IClusterStore, ISettingRegistry],
  optional: [ITranslator, ILayoutRestorer],
  provides: IDashboards,
  activate: (
    app: JupyterFrontEnd,
    panel: IFacilityPanel,
    store: IClusterStore,
    settings: ISettingRegistry,
    translator: ITranslator | null,
    restorer: ILayoutRestorer | null
  ): IDashboards => {
    const trans = (translator ?? nullTranslator).load('casita');
    const opener = new Opener(app, panel, store, settings, trans);
    app.commands.addCommand(OPEN, {
      label: args => trans.__('Open Dashboard %1', (args as Partial<ITabArgs>).title ?? ''),
      execute: args => opener.open(args as unknown as ITabArgs),
      describedBy: { args: ARGS }
    });
    void restorer?.restore(opener.tabs, {
      command: OPEN,
      args: tab => tab.args as unknown as ReadonlyJSONObject,
      name: tab => tab.id
    });
    return opener;
  }
};

const TEXT = { type: 'string' };
const ARGS = {
  type: 'object',
  properties: { cluster: TEXT, label: TEXT, path: TEXT, title: TEXT },
  required: ['cluster', 'label', 'path', 'title']
};

class Opener implements IDashboards {
  constructor(
    private readonly app: JupyterFrontEnd,
    private readonly panel: IFacilityPanel,
    private readonly store: IClusterStore,
    private readonly settings: ISettingRegistry,
    private readonly trans: TranslationBundle
  ) {}

  readonly tabs = new WidgetTracker<DashboardTab>({ namespace: 'casita-dashboards' });

  /** Open a page, or bring its tab to the front. */
  open(args: ITabArgs, place: { ref?: string | null; mode?: string } = {}): DashboardTab {
    let tab = this.tabs.find(one => one.id === tabId(args));
    if (!tab) {
      tab = new DashboardTab(args, this.panel.api, this.store, this.trans);
      void this.tabs.add(tab);
      this.app.shell.add(tab, 'main', place as object);
    }
    this.app.shell.activateById(tab.id);
    return tab;
  }

  choose(cluster: Cluster): void {
    void this.with(cluster, pages => {
      const open = (page: Page) => void this.open(tabArgs(cluster.name, title(cluster), page));
      const layout = () => setTimeout(() => this.openLayout(cluster));
      return choosePage(cluster, pages, this.trans, open, layout);
    });
  }

  openLayout(cluster: Cluster): void {
    void this.with(cluster, async pages => {
      const settings = await this.settings.load(ID);
      const paths = settings.get('layout').composite as string[];
      const opened: DashboardTab[] = [];
      for (const { page, splits, mode } of plan(chosen(paths, pages))) {
        const place = splits < 0 ? {} : { ref: opened[splits]?.id ?? null, mode };
        opened.push(this.open(tabArgs(cluster.name, title(cluster), page), place));
      }
    });
  }

  /** Do something with the pages of a cluster, one request at a time. */
  private async with(cluster: Cluster, what: (pages: Page[]) => unknown): Promise<void> {
    if (this.busy) {
      return;
    }
    this.busy = true;
    try {
      const pages = await pagesOf(this.panel.api, cluster.name, () => false);
      if (!pages) {
        throw new FacilityError(this.trans.__('The cluster has gone'));
      }
      await what(pages);
    } catch (error) {
      const failure = this.trans.__("The dashboards of %1 can't be shown", title(cluster));
      notifyError(failure, error);
    } finally {
      this.busy = false;
    }
  }

  private busy = false;
}
