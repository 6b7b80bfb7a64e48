/** Spans of time, in words.  Pure. */

import { TranslationBundle } from '@jupyterlab/translation';

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86400;

/** Seconds from `now` until a moment (ISO 8601), not below 0. */
export function secondsUntil(moment: string, now: Date): number {
  return Math.max(0, (Date.parse(moment) - now.getTime()) / 1000);
}

/** Seconds since a moment, not below 0: clocks of browser and server differ. */
export function secondsSince(moment: string, now: Date): number {
  return Math.max(0, (now.getTime() - Date.parse(moment)) / 1000);
}

/** "45 s", "12 min", "7 h 58 min", "3 d 4 h". */
export function span(seconds: number, trans: TranslationBundle): string {
  if (seconds < MINUTE) {
    return trans.__('%1 s', Math.floor(seconds));
  }
  if (seconds < HOUR) {
    return trans.__('%1 min', Math.floor(seconds / MINUTE));
  }
  if (seconds < DAY) {
    const hours = Math.floor(seconds / HOUR);
    const minutes = Math.floor((seconds % HOUR) / MINUTE);
    return minutes ? trans.__('%1 h %2 min', hours, minutes) : trans.__('%1 h', hours);
  }
  const days = Math.floor(seconds / DAY);
  const hours = Math.floor((seconds % DAY) / HOUR);
  return hours ? trans.__('%1 d %2 h', days, hours) : trans.__('%1 d', days);
}
