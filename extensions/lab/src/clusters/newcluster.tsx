/** The form for a new cluster, made from the gateway's own options. */

import { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { asFacilityError, FacilityError } from '../http';
import { notifyError } from '../notify';
import { Observable, useObservable } from '../observable';
import { Message, useTrans, View } from '../view';
import { FormDialog } from './dialog';
import { OptionField, WorkersFields } from './fields';
import { check, costText, DEFAULT_WORKERS, ICost, initialValues, IWorkers, Values } from './form';
import { IChoice, Memory } from './memory';
import { ClusterForm } from './models';
import { Operations } from './operations';

interface IDraft {
  values: Values;
  workers: IWorkers;
  /** Why the gateway does not give what was asked for last. */
  refusal: FacilityError | null;
}

/** Opens the form, one at a time. */
export class NewCluster {
  constructor(
    private readonly operations: Operations,
    private readonly memory: Memory,
    private readonly trans: TranslationBundle
  ) {}

  /**
   * Show the form.
   *
   * @param start - What stands in it at first; else what was chosen last.
   */
  async open(start: IChoice = this.memory.last): Promise<void> {
    if (this.busy) {
      return;
    }
    this.busy = true;
    try {
      await this.show(await this.operations.form(), start);
    } catch (error) {
      notifyError(this.trans.__("A new cluster can't be made now"), error);
    } finally {
      this.busy = false;
    }
  }

  private async show(form: ClusterForm, start: IChoice): Promise<void> {
    const draft = new Observable<IDraft>({
      values: initialValues(form.options, start.options),
      workers: start.workers ?? DEFAULT_WORKERS,
      refusal: null
    });
    const dialog = new FormDialog(
      {
        title: this.trans.__('New Dask Cluster'),
        body: new View(this.trans, <Body form={form} draft={draft} />),
        accept: this.trans.__('Start'),
        submit: () => this.submit(form, draft)
      },
      this.trans
    );
    await dialog.launch();
  }

  private async submit(form: ClusterForm, draft: Observable<IDraft>): Promise<boolean> {
    const { values, workers } = draft.value;
    const { request } = check(form.options, values, workers, this.trans);
    if (!request) {
      return false;
    }
    draft.value = { ...draft.value, refusal: null };
    try {
      const { name } = await this.operations.create(request);
      this.memory.remember(name, { options: request.options, workers });
      return true;
    } catch (error) {
      draft.value = { ...draft.value, refusal: asFacilityError(error) };
      return false;
    }
  }

  private busy = false;
}

interface IBody {
  form: ClusterForm;
  draft: Observable<IDraft>;
}

function Body({ form, draft }: IBody): React.ReactElement {
  const trans = useTrans();
  const { values, workers, refusal } = useObservable(draft);
  const { errors, request } = check(form.options, values, workers, trans);
  const change = (part: Partial<IDraft>) => (draft.value = { ...draft.value, ...part });
  return (
    <div className="casita-Form">
      {form.options.map(option => (
        <OptionField
          key={option.field}
          option={option}
          value={values[option.field] ?? ''}
          error={errors[option.field]}
          onChange={value => change({ values: { ...values, [option.field]: value } })}
        />
      ))}
      <WorkersFields
        value={workers}
        errors={errors}
        onChange={value => change({ workers: value })}
      />
      <Cost cost={request && costText(request, form.limits, trans)} />
      {refusal && <Message kind="error" message={refusal.message} hint={refusal.hint} />}
    </div>
  );
}

/** What is asked for beside what there is; keeps its place while a field is wrong. */
function Cost({ cost }: { cost: ICost | null }): React.ReactElement {
  return (
    <p className="casita-Form-cost" data-too-much={cost?.tooMuch ?? false} aria-live="polite">
      {cost?.text}
    </p>
  );
}
