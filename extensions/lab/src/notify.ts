/** What went wrong, in Lab's own notifications. */

import { Dialog, Notification, showDialog } from '@jupyterlab/apputils';

import { asFacilityError } from './http';
import { sentence } from './view';

/** Lab cuts what is longer. */
const LONGEST = 140;

/** Tell of an error with the service's hint; stays until it is closed. */
export function notifyError(what: string, error: unknown): void {
  const { message, hint } = asFacilityError(error);
  const trans = Dialog.translator.load('casita');
  const body = paragraph(message, hint);
  const text = paragraph(what, body);
  const buttons = [Dialog.okButton({ label: trans.__('Close') })];
  const callback = () => void showDialog({ title: what, body, buttons });
  const actions = text.length > LONGEST ? [{ label: trans.__('Details'), callback }] : [];
  Notification.error(text, { autoClose: false, actions });
}

/** Several sentences as one paragraph. */
export function paragraph(...parts: string[]): string {
  return parts.filter(Boolean).map(sentence).join(' ');
}
