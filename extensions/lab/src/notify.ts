/** What went wrong, in Lab's own notifications. */

import { Notification } from '@jupyterlab/apputils';

import { asFacilityError } from './http';
import { sentence } from './view';

/** Tell of an error with the service's hint; stays until it is closed. */
export function notifyError(what: string, error: unknown): void {
  const { message, hint } = asFacilityError(error);
  Notification.error(paragraph(what, message, hint), { autoClose: false });
}

/** Several sentences as one paragraph. */
export function paragraph(...parts: string[]): string {
  return parts.filter(Boolean).map(sentence).join(' ');
}
