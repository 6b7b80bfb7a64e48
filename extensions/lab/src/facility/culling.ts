/** Says that a server is about to be stopped, in time to keep it. */

import { Notification } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';

import { Api } from '../http';
import { notify, notifyError } from '../notify';
import { Observable } from '../observable';
import { FacilityState } from './models';
import { secondsUntil } from './time';

/** The longest that a browser's timer waits, in milliseconds. */
const LONGEST_WAIT = 2 ** 31 - 1;

/**
 * In how many seconds to warn, 0 for now; null: never.  Pure.
 *
 * A warning comes `minutes` before the server is stopped, and not before it has been idle for three
 * quarters of its time: where servers are stopped after 15 minutes, everybody would get one else.
 */
export function warnIn(state: FacilityState | null, minutes: number, now: Date): number | null {
  if (!state?.server_idle_ends || !state.server_idle_timeout || minutes <= 0) {
    return null;
  }
  const early = Math.min(minutes * 60, state.server_idle_timeout / 4);
  return Math.max(0, secondsUntil(state.server_idle_ends, now) - early);
}

export class CullWarning {
  constructor(
    private readonly facility: Observable<FacilityState | null>,
    private readonly api: Api,
    private readonly trans: TranslationBundle
  ) {
    facility.changed.connect(this.look, this);
  }

  /** How early to warn; 0 never does. */
  get minutes(): number {
    return this.early;
  }

  set minutes(value: number) {
    this.early = value;
    this.look();
  }

  private look(): void {
    clearTimeout(this.timer);
    const seconds = warnIn(this.facility.value, this.early, new Date());
    if (seconds === 0) {
      this.shown ||= this.warn(this.facility.value!);
      return;
    }
    if (this.shown) {
      Notification.dismiss(this.shown);
      this.shown = '';
    }
    if (seconds !== null) {
      this.timer = window.setTimeout(() => this.look(), Math.min(seconds * 1000, LONGEST_WAIT));
    }
  }

  private warn(state: FacilityState): string {
    const end = new Date(state.server_idle_ends!);
    const time = end.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
    const callback = () => void this.extend();
    return notify(
      'warning',
      this.trans.__('Your server is not used and will be stopped at %1', time),
      this.trans.__('Files are kept, what kernels hold in memory is not'),
      [{ label: this.trans.__('Keep it'), callback, displayType: 'accent' }]
    );
  }

  private async extend(): Promise<void> {
    try {
      this.facility.value = await this.api.request<FacilityState>('facility/extend', 'POST');
    } catch (error) {
      notifyError(this.trans.__('The server could not be kept'), error);
      this.shown = ''; // the button has closed it
      this.look();
    }
  }

  private early = 10;
  private timer = 0;
  private shown = '';
}
