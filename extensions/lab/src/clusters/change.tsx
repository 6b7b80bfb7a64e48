/** Small forms in a cluster's card: its workers, and its name. */

import * as React from 'react';

import { asFacilityError, FacilityError } from '../http';
import { Message, useTrans } from '../view';
import { Field, WorkersFields } from './fields';
import { parseWorkers, workersOf } from './form';
import { Cluster } from './models';
import { Operations } from './operations';

interface IChange {
  cluster: Cluster;
  operations: Operations;
  onClose: () => void;
}

export function WorkersForm({ cluster, operations, onClose }: IChange): React.ReactElement {
  const [value, setValue] = React.useState(() => workersOf(cluster));
  const trans = useTrans();
  const { errors, workers, adaptive } = parseWorkers(value, trans);
  const good = Object.keys(errors).length === 0;
  return (
    <SmallForm
      good={good}
      onClose={onClose}
      send={() => operations.resize(cluster, workers, adaptive)}
    >
      <WorkersFields value={value} errors={errors} onChange={setValue} />
    </SmallForm>
  );
}

export function RenameForm({ cluster, operations, onClose }: IChange): React.ReactElement {
  const [label, setLabel] = React.useState(cluster.label);
  const trans = useTrans();
  return (
    <SmallForm good onClose={onClose} send={() => operations.rename(cluster, label)}>
      <Field label={trans.__('Name')}>
        {ties => (
          <input
            {...ties}
            type="text"
            maxLength={60}
            value={label}
            onChange={event => setLabel(event.target.value)}
          />
        )}
      </Field>
    </SmallForm>
  );
}

interface ISmallForm {
  good: boolean;
  /** Rejects with what refuses it. */
  send: () => Promise<void>;
  onClose: () => void;
  children: React.ReactNode;
}

/** Closes when what was sent is done; what was typed stays when it was refused. */
function SmallForm({ good, send, onClose, children }: ISmallForm): React.ReactElement {
  const trans = useTrans();
  const [sending, setSending] = React.useState(false);
  const [refusal, setRefusal] = React.useState<FacilityError | null>(null);
  const form = React.useRef<HTMLFormElement>(null);
  useFocusInside(form);
  const submit = async (event: React.FormEvent) => {
    event.preventDefault();
    if (!good || sending) {
      return;
    }
    setSending(true);
    setRefusal(null);
    try {
      await send();
      onClose();
    } catch (error) {
      setRefusal(asFacilityError(error));
      setSending(false);
    }
  };
  return (
    <form
      ref={form}
      className="casita-SmallForm"
      onSubmit={submit}
      onKeyDown={event => event.key === 'Escape' && onClose()}
    >
      {children}
      {refusal && <Message kind="error" message={refusal.message} hint={refusal.hint} />}
      <div className="casita-Form-buttons">
        <button type="button" className="jp-mod-styled jp-mod-reject" onClick={onClose}>
          {trans.__('Cancel')}
        </button>
        <button
          type="submit"
          className="jp-mod-styled jp-mod-accept"
          aria-disabled={!good || sending}
        >
          {trans.__('Apply')}
        </button>
      </div>
    </form>
  );
}

/** Focus the first field of a form that opens; when it closes, what had the focus before. */
function useFocusInside(form: React.RefObject<HTMLFormElement>): void {
  React.useLayoutEffect(() => {
    const before = document.activeElement;
    const node = form.current!;
    node.querySelector<HTMLElement>('input:checked, input:not([type=radio])')?.focus();
    return () => {
      if (node.contains(document.activeElement) && before instanceof HTMLElement) {
        before.focus();
      }
    };
  }, [form]);
}
