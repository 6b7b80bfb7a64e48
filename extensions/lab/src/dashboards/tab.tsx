/** One page of a cluster's dashboard, as a tab. */

import { TranslationBundle } from '@jupyterlab/translation';
import { IFrame } from '@jupyterlab/ui-components';
import { PanelLayout, Widget } from '@lumino/widgets';
import * as React from 'react';

import { Page } from '../clusters/models';
import { IClusterStore } from '../clusters/store';
import { Api } from '../http';
import { dashboardIcon } from '../icons';
import { Message, View } from '../view';
import { pagesOf } from './pages';

/** What brings a tab back after a reload. */
export interface ITabArgs {
  cluster: string;
  label: string;
  path: string;
  title: string;
}

export class DashboardTab extends Widget {
  constructor(
    readonly args: ITabArgs,
    private readonly api: Api,
    private readonly store: IClusterStore,
    private readonly trans: TranslationBundle
  ) {
    super();
    this.layout = new PanelLayout();
    this.addClass('casita-DashboardTab');
    this.id = `casita-dashboard-${args.cluster}-${args.path.replace(/\W/g, '-')}`;
    this.title.icon = dashboardIcon;
    this.title.label = args.title;
    this.title.caption = `${args.title} · ${args.label}`;
    this.title.closable = true;
    this.frame.node.classList.add('casita-DashboardTab-frame');
    const iframe = this.frame.node.querySelector('iframe');
    iframe?.setAttribute('title', this.title.caption);
    store.overview.changed.connect(this.look, this);
    void this.open();
  }

  dispose(): void {
    this.store.overview.changed.disconnect(this.look, this);
    super.dispose();
  }

  /** Show the page as soon as the cluster has it: that takes a moment after its start. */
  private async open(): Promise<void> {
    const { cluster, path } = this.args;
    this.say(this.trans.__('Waiting for the dashboard…'));
    const found = await pagesOf(this.api, cluster, () => this.isDisposed);
    if (this.isDisposed) {
      return;
    }
    if (!found) {
      this.say(this.trans.__('The cluster %1 has gone', this.args.label));
      return;
    }
    this.frame.url = this.api.url(`clusters/${cluster}/dashboard/${path}`);
    this.show_(this.frame);
    this.look();
  }

  /** Say so when the cluster has gone, in place of a page that stands still. */
  private look(): void {
    const known = this.store.overview.value;
    if (!known || known.problem || this.store.find(this.args.cluster) || this.isGone) {
      return;
    }
    if (this.frame.isAttached) {
      this.isGone = true;
      this.say(this.trans.__('The cluster %1 has gone', this.args.label));
    }
  }

  private say(text: string): void {
    this.show_(new View(this.trans, <Message message={text} />));
  }

  private show_(content: Widget): void {
    const layout = this.layout as PanelLayout;
    for (const one of [...layout.widgets]) {
      layout.removeWidget(one);
      if (one !== this.frame) {
        one.dispose();
      }
    }
    layout.addWidget(content);
  }

  private isGone = false;
  // The server confines the page further, by its Content-Security-Policy.
  private readonly frame = new IFrame({
    sandbox: ['allow-scripts', 'allow-same-origin', 'allow-downloads'],
    loading: 'eager'
  });
}

/** Arguments of the tab that shows a page of a cluster. */
export function tabArgs(cluster: string, label: string, page: Page): ITabArgs {
  return { cluster, label, path: page.path, title: page.title };
}
