/** Says that a server is about to be stopped, in time to keep it. */

import { Notification } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';

import { Api } from '../http';
import { notifyError } from '../notify';
import { Observable } from '../observable';
import { FacilityState } from './models';
import { secondsUntil, span } from './time';

/** Whether it is time to warn.  Pure; a quarter of a short timeout is early enough. */
export function isNear(state: FacilityState, minutes: number, now: Date): boolean {
  if (!state.server_idle_ends || !state.server_idle_timeout) {
    return false;
  }
  const early = Math.min(minutes * 60, state.server_idle_timeout / 4);
  return secondsUntil(state.server_idle_ends, now) <= early;
}

export class CullWarning {
  constructor(
    private readonly facility: Observable<FacilityState | null>,
    private readonly api: Api,
    private readonly trans: TranslationBundle
  ) {
    facility.changed.connect(() => this.look());
    setInterval(() => this.look(), 5_000);
  }

  /** How early to warn; 0 never does. */
  minutes = 10;

  private look(): void {
    const state = this.facility.value;
    if (!state || !this.minutes || !isNear(state, this.minutes, new Date())) {
      if (this.shown) {
        Notification.dismiss(this.shown);
        this.shown = '';
      }
      return;
    }
    if (!this.shown) {
      this.shown = this.warn(state);
    }
  }

  private warn(state: FacilityState): string {
    const left = span(secondsUntil(state.server_idle_ends!, new Date()), this.trans);
    const text = this.trans.__(
      'Your server has not been used for a while and is stopped in %1. Notebooks are saved, but their kernels end.',
      left
    );
    const callback = () => void this.extend();
    return Notification.warning(text, {
      autoClose: false,
      actions: [{ label: this.trans.__('Keep it'), callback, displayType: 'accent' }]
    });
  }

  private async extend(): Promise<void> {
    try {
      this.facility.value = await this.api.request<FacilityState>('facility/extend', 'POST');
    } catch (error) {
      notifyError(this.trans.__('The server could not be kept'), error);
    }
  }

  private shown = '';
}
