/** What happened, in Lab's own notifications; and questions, in its dialogs. */

import { Dialog, Notification, showDialog } from '@jupyterlab/apputils';

import { asFacilityError } from './http';
import { sentence } from './view';

/** Lab cuts what is longer. */
const LONGEST = 140;

/** Tell something; where it is long, a button shows all of it. */
export function notify(
  kind: 'warning' | 'error',
  what: string,
  more: string,
  actions: Notification.IAction[] = []
): string {
  const trans = Dialog.translator.load('casita');
  const text = paragraph(what, more);
  const buttons = [Dialog.okButton({ label: trans.__('Close') })];
  const callback = () => void showDialog({ title: what, body: more, buttons });
  const details = text.length > LONGEST ? [{ label: trans.__('Details'), callback }] : [];
  return Notification[kind](text, { autoClose: false, actions: [...actions, ...details] });
}

/** Tell of an error with the service's hint. */
export function notifyError(what: string, error: unknown): void {
  const { message, hint } = asFacilityError(error);
  notify('error', what, paragraph(message, hint));
}

/** Wait for a change; tells why it was not made. */
export async function attempt<T>(failure: string, change: Promise<T>): Promise<T | undefined> {
  try {
    return await change;
  } catch (error) {
    notifyError(failure, error);
    return undefined;
  }
}

/** Ask whether something that can't be taken back shall be done. */
export async function confirmed(
  title: string,
  body: string,
  keep: string,
  go: string
): Promise<boolean> {
  const buttons = [Dialog.cancelButton({ label: keep }), Dialog.warnButton({ label: go })];
  const { button } = await showDialog({ title, body, buttons, defaultButton: 0 });
  return button.accept;
}

/** Several sentences as one paragraph. */
export function paragraph(...parts: string[]): string {
  return parts.filter(Boolean).map(sentence).join(' ');
}
