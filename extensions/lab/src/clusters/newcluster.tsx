/** The form for a new cluster, made from the gateway's own options. */

import * as React from 'react';

import { asFacilityError, FacilityError } from '../http';
import { Message, useTrans } from '../view';
import { OptionField, WorkersFields } from './fields';
import { check, costText, DEFAULT_WORKERS, initialValues } from './form';
import { Memory } from './memory';
import { ClusterForm } from './models';
import { Operations } from './operations';

interface INewCluster {
  operations: Operations;
  memory: Memory;
  /** Options to start from, of a cluster that failed. */
  template: Record<string, unknown> | null;
  onClose: () => void;
}

export function NewClusterForm(props: INewCluster): React.ReactElement {
  const trans = useTrans();
  const [form, setForm] = React.useState<ClusterForm | null>(null);
  const [problem, setProblem] = React.useState<FacilityError | null>(null);
  React.useEffect(() => {
    props.operations.form().then(setForm, error => setProblem(asFacilityError(error)));
  }, []);
  return (
    <section className="casita-Form" aria-label={trans.__('New cluster')}>
      <h3>{trans.__('New cluster')}</h3>
      {problem && <Message kind="error" message={problem.message} hint={problem.hint} />}
      {form ? (
        <Fields {...props} form={form} />
      ) : (
        <div className="casita-Form-buttons">
          {!problem && <p className="casita-quiet">{trans.__('Asking what can be chosen…')}</p>}
          <button type="button" className="jp-mod-styled jp-mod-reject" onClick={props.onClose}>
            {trans.__('Cancel')}
          </button>
        </div>
      )}
    </section>
  );
}

function Fields(props: INewCluster & { form: ClusterForm }): React.ReactElement {
  const { form, memory, operations, template, onClose } = props;
  const trans = useTrans();
  const [values, setValues] = React.useState(() =>
    initialValues(form.options, template ?? memory.last.options)
  );
  const [workers, setWorkers] = React.useState(memory.last.workers ?? DEFAULT_WORKERS);
  const [refusal, setRefusal] = React.useState<FacilityError | null>(null);
  const [sending, setSending] = React.useState(false);
  const { errors, request } = check(form.options, values, workers, trans);
  const cost = request && costText(request, form.limits, trans);
  const first = React.useRef<HTMLFormElement>(null);
  React.useEffect(() => first.current?.querySelector('input')?.focus(), []);

  const submit = async (event: React.FormEvent) => {
    event.preventDefault();
    if (!request || sending) {
      return;
    }
    setSending(true);
    setRefusal(null);
    try {
      await operations.create(request);
      memory.remember(request, workers);
      onClose();
    } catch (error) {
      setRefusal(asFacilityError(error));
      setSending(false);
    }
  };
  return (
    <form ref={first} onSubmit={submit} onKeyDown={event => event.key === 'Escape' && onClose()}>
      {form.options.map(option => (
        <OptionField
          key={option.field}
          option={option}
          value={values[option.field] ?? ''}
          error={errors[option.field]}
          onChange={value => setValues({ ...values, [option.field]: value })}
        />
      ))}
      <WorkersFields value={workers} errors={errors} onChange={setWorkers} />
      {cost?.text && (
        <p className={cost.tooMuch ? 'casita-Form-tooMuch' : 'casita-quiet'} aria-live="polite">
          {cost.text}
        </p>
      )}
      {refusal && <Message kind="error" message={refusal.message} hint={refusal.hint} />}
      <div className="casita-Form-buttons">
        <button type="button" className="jp-mod-styled jp-mod-reject" onClick={onClose}>
          {trans.__('Cancel')}
        </button>
        <button type="submit" className="jp-mod-styled jp-mod-accept" disabled={!request || sending}>
          {sending ? trans.__('Starting…') : trans.__('Start')}
        </button>
      </div>
    </form>
  );
}
