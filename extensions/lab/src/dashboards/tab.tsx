/** One page of a cluster's dashboard, as a tab. */

import { TranslationBundle } from '@jupyterlab/translation';
import { IFrame } from '@jupyterlab/ui-components';
import { PanelLayout, Widget } from '@lumino/widgets';
import * as React from 'react';

import { Page } from '../clusters/models';
import { IClusterStore } from '../clusters/store';
import { Api, asFacilityError } from '../http';
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
    this.node.tabIndex = -1;
    this.id = tabId(args);
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
    if (!this.isDisposed) {
      this.store.overview.changed.disconnect(this.look, this);
      this.frame.dispose();
      super.dispose();
    }
  }

  protected onActivateRequest(): void {
    this.node.focus();
  }

  /** Show the page as soon as the cluster has it: that takes a moment after its start. */
  private async open(): Promise<void> {
    const { cluster, path } = this.args;
    this.state = 'waiting';
    this.say(this.trans.__('Waiting for the dashboard…'));
    try {
      const pages = await pagesOf(this.api, cluster, () => this.isDisposed);
      if (this.isDisposed) {
        return;
      }
      if (pages) {
        this.frame.url = this.api.url(`clusters/${cluster}/dashboard/${path}`);
        this.put(this.frame);
        this.state = 'shown';
      } else {
        this.leave();
      }
    } catch (error) {
      const { message, hint } = asFacilityError(error);
      this.state = 'broken';
      this.say(message, hint);
    }
  }

  /** Say so when the cluster has gone, in place of a page that stands still; try what broke. */
  private look(): void {
    const known = this.store.overview.value;
    if (!known || known.problem) {
      return;
    }
    const there = this.store.find(this.args.cluster) !== undefined;
    if (this.state === 'shown' && !there) {
      this.leave();
    } else if (this.state === 'broken' && there) {
      void this.open();
    }
  }

  private leave(): void {
    this.state = 'gone';
    this.say(this.trans.__('The cluster %1 has gone', this.args.label));
  }

  private say(text: string, hint = ''): void {
    if (!this.isDisposed) {
      this.put(new View(this.trans, <Message message={text} hint={hint} />));
    }
  }

  private put(content: Widget): void {
    const layout = this.layout as PanelLayout;
    for (const one of [...layout.widgets]) {
      layout.removeWidget(one);
      if (one !== this.frame) {
        one.dispose();
      }
    }
    layout.addWidget(content);
  }

  private state: 'waiting' | 'shown' | 'broken' | 'gone' = 'waiting';
  // The page is its user's own, as notebooks' output is: with its login it can do what Lab can.
  private readonly frame = new IFrame({
    sandbox: ['allow-scripts', 'allow-same-origin', 'allow-downloads'],
    loading: 'eager'
  });
}

/** Arguments of the tab that shows a page of a cluster. */
export function tabArgs(cluster: string, label: string, page: Page): ITabArgs {
  return { cluster, label, path: page.path, title: page.title };
}

/** One tab for each page of each cluster. */
export function tabId(args: ITabArgs): string {
  return `casita-dashboard-${args.cluster}-${args.path.replace(/\W/g, '-')}`;
}
