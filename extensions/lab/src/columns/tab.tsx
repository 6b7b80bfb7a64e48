/** The query builder, as a tab. */

import { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { columnsIcon } from '../icons';
import { View } from '../view';
import { IQuery, Query } from './query';

export class QueryTab extends View {
  constructor(query: IQuery, trans: TranslationBundle) {
    super(trans, <Query {...query} />);
    this.addClass('casita-QueryTab');
    this.id = 'casita-query';
    this.title.icon = columnsIcon;
    this.title.label = trans.__('New Query');
    this.title.caption = trans.__('Columns of a dataset, with a cut');
    this.title.closable = true;
  }

  /** Whoever opens it begins with the first field. */
  protected onActivateRequest(): void {
    this.node.focus();
    void this.renderPromise?.then(() => {
      if (document.activeElement === this.node) {
        this.node.querySelector<HTMLElement>('textarea')?.focus();
      }
    });
  }
}
