/** What can be done to datasets and files: a request each, errors as notifications. */

import { Clipboard, Notification } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';

import { ICode } from '../clusters/actions';
import { Api } from '../http';
import { attempt, confirmed, paragraph } from '../notify';
import { sizeText } from '../words';
import { DatasetState, Evicted, Job, Listing } from './models';
import { ILooks } from './store';
import { Action, ISubject, targetsOf } from './subject';
import { datasetCode, fileCode } from './text';

export class Operations implements ILooks {
  constructor(
    private readonly api: Api,
    private readonly code: ICode | null,
    private readonly trans: TranslationBundle
  ) {}

  /** Which tree of a file the inserted code opens. */
  tree = 'Events';

  /** Whether code can be inserted. */
  get inserts(): boolean {
    return this.code !== null;
  }

  listing(url: string): Promise<Listing> {
    return this.api.request(`cache/files?url=${encodeURIComponent(url)}`);
  }

  search(words: string): Promise<DatasetState[]> {
    return this.api.request(`cache/datasets?search=${encodeURIComponent(words)}`);
  }

  refresh(): Promise<unknown> {
    return this.api.request('cache');
  }

  async do(action: Action, subject: ISubject): Promise<void> {
    switch (action) {
      case 'prefetch':
        return this.change('prefetch', subject, this.trans.__('%1 is not fetched', subject.title));
      case 'pin':
        return this.pin(subject);
      case 'evict':
        return this.evict(subject);
      case 'insert':
        return this.code?.insertText(
          subject.kind === 'dataset' ? datasetCode(subject.id) : fileCode(subject.id, this.tree)
        );
      case 'copy':
        Clipboard.copyToSystem(subject.id);
    }
  }

  /** Stop a prefetch; what it has fetched stays. */
  async cancel(job: Job, title: string): Promise<void> {
    await attempt(
      this.trans.__('The prefetch of %1 was not cancelled', title),
      this.api.request(`cache/prefetch/${encodeURIComponent(job.id)}`, 'DELETE')
    );
  }

  private async pin(subject: ISubject): Promise<void> {
    const { title, pinned } = subject;
    await (pinned
      ? this.change('unpin', subject, this.trans.__('%1 stays pinned', title))
      : this.change('pin', subject, this.trans.__('%1 was not pinned', title)));
  }

  private async evict(subject: ISubject): Promise<void> {
    const body = this.trans.__(
      '%1 are on the disk of the cache. Whoever reads them next has them fetched again.',
      sizeText(subject.cached)
    );
    const [keep, go] = [this.trans.__('Keep'), this.trans.__('Evict')];
    if (!(await confirmed(this.trans.__('Evict %1?', subject.title), body, keep, go))) {
      return;
    }
    const failure = this.trans.__('%1 was not evicted', subject.title);
    const done = await attempt<Evicted>(
      failure,
      this.api.request('cache/evict', 'POST', targetsOf(subject))
    );
    if (done?.kept) {
      const kept = this.trans._n(
        '%1 file is pinned and stays',
        '%1 files are pinned and stay',
        done.kept
      );
      Notification.info(paragraph(subject.title, kept), { autoClose: 8000 });
    }
  }

  private async change(path: string, subject: ISubject, failure: string): Promise<void> {
    await attempt(failure, this.api.request(`cache/${path}`, 'POST', targetsOf(subject)));
  }
}
