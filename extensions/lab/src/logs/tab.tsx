/** The logs of one cluster, as a tab. */

import { TranslationBundle } from '@jupyterlab/translation';
import { Message } from '@lumino/messaging';
import * as React from 'react';

import { LogLines } from '../clusters/models';
import { Api, FacilityError } from '../http';
import { logsIcon } from '../icons';
import { Observable } from '../observable';
import { View } from '../view';
import { append, Logs } from './buffer';
import { ILogsState, LogsView } from './view';

/** What brings a tab back after a reload. */
export interface ILogsArgs {
  cluster: string;
  label: string;
}

/** An event of a log's stream: how the cluster is. */
interface IStatus {
  status: string;
  reason: string;
}

export class LogsTab extends View {
  constructor(
    readonly args: ILogsArgs,
    api: Api,
    trans: TranslationBundle
  ) {
    const state: ILogsState = {
      logs: new Observable<Logs>(new Map()),
      ended: new Observable(''),
      problem: new Observable<FacilityError | null>(null)
    };
    super(trans, <LogsView state={state} />);
    this.addClass('casita-LogsTab');
    this.id = `casita-logs-${args.cluster}`;
    this.title.icon = logsIcon;
    this.title.label = trans.__('Logs · %1', args.label);
    this.title.closable = true;
    this.start = () => {
      this.aborter = new AbortController();
      void this.follow(api, state, trans, this.aborter.signal);
    };
  }

  /** Followed while it is seen only: a browser has few connections. */
  protected onAfterShow(): void {
    this.aborter.abort();
    this.start();
  }

  protected onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    if (this.isVisible) {
      this.onAfterShow();
    }
  }

  protected onBeforeHide(): void {
    this.aborter.abort();
  }

  dispose(): void {
    this.aborter.abort();
    super.dispose();
  }

  private follow(
    api: Api,
    state: ILogsState,
    trans: TranslationBundle,
    signal: AbortSignal
  ): Promise<void> {
    const onEvent = (name: string, data: unknown) => {
      if (name === 'log') {
        const { process, text } = data as LogLines;
        state.logs.value = append(state.logs.value, process, text);
      } else {
        state.ended.value = ending(data as IStatus, trans);
      }
    };
    const onState = (problem: FacilityError | null) => {
      state.problem.value = problem;
      if (!problem) {
        state.logs.value = new Map(); // each stream begins with all there is
      }
    };
    const path = `clusters/${this.args.cluster}/logs/events`;
    return api.follow(path, { onEvent, onState }, signal);
  }

  private aborter = new AbortController();
  private readonly start: () => void;
}

function ending({ status, reason }: IStatus, trans: TranslationBundle): string {
  if (status === 'failed') {
    return reason
      ? trans.__('This cluster has failed: %1', reason)
      : trans.__('This cluster has failed');
  }
  return status === 'stopped' ? trans.__('This cluster has stopped') : '';
}
