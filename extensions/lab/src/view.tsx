/** React inside Lab's widgets, with the language that the user has chosen. */

import { nullTranslator, TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import * as React from 'react';

import { FacilityError, isMissing } from './http';

const Language = React.createContext<TranslationBundle>(nullTranslator.load('casita'));

/** The translations of our texts. */
export function useTrans(): TranslationBundle {
  return React.useContext(Language);
}

/** A Lab widget that shows a component. */
export class View extends ReactWidget {
  constructor(
    private readonly trans: TranslationBundle,
    private readonly content: React.ReactElement
  ) {
    super();
    this.addClass('casita-View');
    this.node.tabIndex = -1;
  }

  protected onActivateRequest(): void {
    this.node.focus();
  }

  protected render(): React.ReactElement {
    return <Language.Provider value={this.trans}>{this.content}</Language.Provider>;
  }
}

/** The present moment, anew every `seconds`. */
export function useNow(seconds: number): Date {
  const [now, setNow] = React.useState(() => new Date());
  React.useEffect(() => {
    const timer = setInterval(() => setNow(new Date()), seconds * 1000);
    return () => clearInterval(timer);
  }, [seconds]);
  return now;
}

interface IMessage {
  message: string;
  hint?: string;
  kind?: 'info' | 'warning' | 'error';
}

/** A sentence, and what to do about it. */
export function Message({ message, hint, kind = 'info' }: IMessage): React.ReactElement {
  return (
    <div className={`casita-Message casita-mod-${kind}`} role={kind === 'error' ? 'alert' : 'note'}>
      <div>{sentence(message)}</div>
      {hint && <div className="casita-Message-hint">{sentence(hint)}</div>}
    </div>
  );
}

interface ITrouble {
  error: FacilityError;
  /** What to say if the Jupyter server lacks the part that would answer. */
  missing: string;
}

/** Why something can't be shown, with the remedy. */
export function Trouble({ error, missing }: ITrouble): React.ReactElement {
  const trans = useTrans();
  if (isMissing(error)) {
    const hint = trans.__(
      'Restart the server from the Hub Control Panel and reload this page, or ask your operator'
    );
    return <Message kind="warning" message={missing} hint={hint} />;
  }
  return <Message kind="warning" message={error.message} hint={error.hint} />;
}

/** With a capital letter and a full stop, as services say it without. */
export function sentence(text: string): string {
  const start = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?:)`]$/.test(start) ? start : `${start}.`;
}
