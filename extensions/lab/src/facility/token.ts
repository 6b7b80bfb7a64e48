/** What the Facility panel offers to other plug-ins, ours and strangers'. */

import { Token } from '@lumino/coreutils';
import { IDisposable } from '@lumino/disposable';
import { ISignal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';

import { IWatched } from '../events';
import { Api } from '../http';
import { FacilityState } from './models';

export interface IFacilitySection {
  /** The backend's name, e.g. "clusters"; one line explains it when the facility has it off. */
  id: string;
  /** Heading, translated. */
  title: string;
  widget: Widget;
  /** Buttons in the heading. */
  toolbar?: Widget;
  /** Position; lower is higher. Default 100. */
  rank?: number;
}

export interface IFacilityPanel {
  /** Add a section; disposing of the result takes it away. */
  addSection(section: IFacilitySection): IDisposable;
  /** Show a few words in the header, e.g. "3 of 8 cores"; null takes them away. */
  setSummary(id: string, text: string | null): void;
  /** What the server tells of under a name, live; all share one stream. */
  watch<T>(name: string): IWatched<T>;
  /** Requests to the user's Jupyter server. */
  readonly api: Api;
  /** What is known of the facility; null until the server has answered. */
  readonly state: FacilityState | null;
  readonly stateChanged: ISignal<IFacilityPanel, FacilityState | null>;
}

export const IFacilityPanel = new Token<IFacilityPanel>(
  '@casita/lab:IFacilityPanel',
  'The Facility panel: add a section for a service of the facility.'
);
