/** What other plug-ins can do with a cluster; the section shows a button for each there is. */

import { Token } from '@lumino/coreutils';

import { Cluster } from './models';

export interface IDashboards {
  /** Let the user choose among the pages of a cluster's dashboard. */
  choose(cluster: Cluster): void;
  /** Open the pages of the user's layout side by side. */
  openLayout(cluster: Cluster): void;
}

export interface ILogs {
  /** Follow the logs of a cluster, also of one that failed. */
  open(name: string, label: string): void;
}

export interface ICode {
  /** Put code that connects to a cluster into the active notebook, or a new one. */
  insert(cluster: Cluster): void;
  /** Start to drag that code, from where the pointer is. */
  drag(cluster: Cluster, clientX: number, clientY: number): void;
  /** Put any code there. */
  insertText(code: string): void;
}

export const IDashboards = new Token<IDashboards>(
  '@casita/lab:IDashboards',
  'Opens dashboards of Dask clusters as tabs.'
);
export const ILogs = new Token<ILogs>('@casita/lab:ILogs', 'Opens logs of Dask clusters as tabs.');
export const ICode = new Token<ICode>(
  '@casita/lab:ICode',
  'Puts code into notebooks, such as connects to a Dask cluster.'
);
