/** A Lab dialog with a form that stays open until what was typed is accepted. */

import { Dialog } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';

import { View } from '../view';

export interface IFormDialog {
  title: string;
  body: View;
  /** Label of the button that sends the form. */
  accept: string;
  /** Send the form; returns whether that is done, else the body says why not. */
  submit: () => Promise<boolean>;
}

const CANCEL = 0;
const ACCEPT = 1;

export class FormDialog extends Dialog<null> {
  constructor(form: IFormDialog, trans: TranslationBundle) {
    super({
      title: form.title,
      body: form.body,
      buttons: [
        Dialog.cancelButton({ label: trans.__('Cancel') }),
        Dialog.okButton({ label: form.accept })
      ],
      defaultButton: ACCEPT,
      focusNodeSelector: 'input, select'
    });
    this.submit = form.submit;
    this.addClass('casita-FormDialog');
  }

  resolve(index: number = ACCEPT): void {
    if (index === CANCEL) {
      super.resolve(index);
    } else {
      void this.send();
    }
  }

  /** Lab would disable the button by the browser's rules; the form says itself what is wrong. */
  protected _checkValidation(): void {
    return;
  }

  private async send(): Promise<void> {
    const invalid = this.node.querySelector<HTMLElement>('[aria-invalid="true"]');
    if (invalid) {
      invalid.focus();
      return;
    }
    const button = this.node.querySelector<HTMLButtonElement>('.jp-Dialog-footer .jp-mod-accept')!;
    if (this.sending) {
      return;
    }
    // Not `disabled`, which would take the focus from it.
    this.sending = true;
    button.setAttribute('aria-disabled', 'true');
    const done = await this.submit();
    button.removeAttribute('aria-disabled');
    this.sending = false;
    if (done) {
      super.resolve(ACCEPT);
    }
  }

  private sending = false;
  private readonly submit: () => Promise<boolean>;
}
