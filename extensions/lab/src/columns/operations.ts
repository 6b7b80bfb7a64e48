/** What can be done to requests, and asked of datasets: a request each, errors as notifications. */

import { Clipboard } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';

import { ICode } from '../clusters/actions';
import { Api } from '../http';
import { attempt, confirmed } from '../notify';
import { sizeText } from '../words';
import { asksBeforeCancel, isDone, requestTitle, toneOf } from './format';
import {
  DatasetState,
  Look,
  LookRequest,
  NewRequest,
  RequestDetails,
  RequestState
} from './models';
import { fetchCode } from './text';

export class Operations {
  constructor(
    private readonly api: Api,
    private readonly code: ICode | null,
    private readonly trans: TranslationBundle
  ) {}

  /** Whether code can be inserted. */
  get inserts(): boolean {
    return this.code !== null;
  }

  insertCode(text: string): void {
    this.code?.insertText(text);
  }

  refresh(): Promise<unknown> {
    return this.api.request('columns');
  }

  details(id: string): Promise<RequestDetails> {
    return this.api.request(pathOf(id));
  }

  datasets(): Promise<DatasetState[]> {
    return this.api.request('columns/datasets');
  }

  look(what: LookRequest): Promise<Look> {
    return this.api.request('columns/look', 'POST', what);
  }

  /** Have a dataset looked up anew the next time. */
  forget(dataset: number): Promise<unknown> {
    return this.api.request(`columns/datasets/${dataset}`, 'DELETE');
  }

  /** Ask for columns; the form shows a refusal itself. */
  submit(request: NewRequest): Promise<RequestState> {
    return this.api.request('columns/requests', 'POST', request);
  }

  insert(request: RequestState): void {
    this.insertCode(fetchCode(request.id, ['partial', 'ended'].includes(toneOf(request))));
  }

  copy(request: RequestState): void {
    Clipboard.copyToSystem(request.id);
  }

  async again(request: RequestState): Promise<void> {
    await attempt(
      this.trans.__('%1 does not run again', requestTitle(request)),
      this.api.request(`${pathOf(request.id)}/again`, 'POST')
    );
  }

  async cancel(request: RequestState): Promise<void> {
    const title = requestTitle(request);
    if (asksBeforeCancel(request, new Date())) {
      const left = request.files - request.completed - request.failed;
      const body = this.trans._n(
        '%1 file has not been read yet. What is delivered stays.',
        '%1 files have not been read yet. What is delivered stays.',
        left
      );
      const [keep, stop] = [this.trans.__('Go On'), this.trans.__('Cancel Request')];
      if (!(await confirmed(this.trans.__('Cancel %1?', title), body, keep, stop))) {
        return;
      }
    }
    await attempt(
      this.trans.__('%1 was not cancelled', title),
      this.api.request(`${pathOf(request.id)}/cancel`, 'POST')
    );
  }

  async remove(request: RequestState): Promise<void> {
    const { trans } = this;
    const title = requestTitle(request);
    const first = isDone(request) ? '' : trans.__('It is cancelled.');
    const held = request.completed
      ? trans._n(
          '%1 file of results is removed (%2). Files that you have fetched stay.',
          '%1 files of results are removed (%2). Files that you have fetched stay.',
          request.completed,
          sizeText(request.size)
        )
      : trans.__('It has delivered nothing.');
    const body = [first, held].filter(Boolean).join(' ');
    const [keep, go] = [trans.__('Keep'), trans.__('Remove')];
    if (await confirmed(trans.__('Remove %1?', title), body, keep, go)) {
      await attempt(
        trans.__('%1 was not removed', title),
        this.api.request(pathOf(request.id), 'DELETE')
      );
    }
  }
}

function pathOf(id: string): string {
  return `columns/requests/${encodeURIComponent(id)}`;
}
