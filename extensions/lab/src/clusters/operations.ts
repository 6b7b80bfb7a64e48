/** What can be done to clusters: a request each, errors as notifications. */

import { Notification } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';

import { Api } from '../http';
import { attempt, confirmed } from '../notify';
import { sentence } from '../view';
import { isBusy, mayCompute, title } from './format';
import { Adaptive, Cluster, ClusterForm, NewCluster } from './models';

export class Operations {
  constructor(
    private readonly api: Api,
    private readonly trans: TranslationBundle
  ) {}

  /** Ask before a cluster without work is stopped, too. */
  alwaysConfirm = false;

  form(): Promise<ClusterForm> {
    return this.api.request('clusters/form');
  }

  /** Ask for a cluster; the form shows a refusal itself. */
  create(request: NewCluster): Promise<Cluster> {
    return this.api.request('clusters', 'POST', request);
  }

  /** Set the number of workers, or the bounds between which it follows the load; throws refusals. */
  async resize(cluster: Cluster, workers: number, adaptive: Adaptive | null): Promise<void> {
    const answer = adaptive
      ? await this.change(cluster, 'adapt', 'POST', adaptive)
      : await this.change(cluster, 'scale', 'POST', { workers });
    if (answer?.message) {
      Notification.info(sentence(answer.message), { autoClose: 8000 });
    }
  }

  /** Give it another name; throws refusals. */
  async rename(cluster: Cluster, label: string): Promise<void> {
    await this.change(cluster, '', 'PATCH', { label });
  }

  async stop(cluster: Cluster): Promise<void> {
    if (!mayCompute(cluster) && !this.alwaysConfirm) {
      return this.stopNow(cluster);
    }
    const tasks = cluster.tasks ? cluster.tasks.processing + cluster.tasks.waiting : 0;
    const lost = mayCompute(cluster)
      ? this.trans.__('Its scheduler does not say whether tasks run. All results there are lost.')
      : this.trans.__('Results kept there are lost.');
    const body = isBusy(cluster)
      ? this.trans._n(
          '%1 task has not been computed yet; it and all results kept there are lost.',
          '%1 tasks have not been computed yet; they and all results kept there are lost.',
          tasks
        )
      : lost;
    if (await this.confirmed(this.trans.__('Stop %1?', title(cluster)), body)) {
      await this.stopNow(cluster);
    }
  }

  async stopAll(clusters: readonly Cluster[]): Promise<void> {
    const busy = clusters.filter(mayCompute).map(title);
    const body = busy.length
      ? this.trans.__('Tasks run or may run on: %1. They are lost.', busy.join(', '))
      : this.trans.__('None of them is computing. Results kept there are lost.');
    const question = this.trans._n('Stop %1 cluster?', 'Stop all %1 clusters?', clusters.length);
    if (await this.confirmed(question, body)) {
      await attempt(
        this.trans.__('Not all clusters were stopped'),
        this.api.request('clusters', 'DELETE')
      );
    }
  }

  private async stopNow(cluster: Cluster): Promise<void> {
    await attempt(
      this.trans.__('%1 was not stopped', title(cluster)),
      this.change(cluster, '', 'DELETE')
    );
  }

  private change(
    cluster: Cluster,
    what: string,
    method: string,
    body?: unknown
  ): Promise<{ message?: string } | undefined> {
    const path = `clusters/${encodeURIComponent(cluster.name)}${what && `/${what}`}`;
    return this.api.request(path, method, body);
  }

  private confirmed(question: string, body: string): Promise<boolean> {
    return confirmed(question, body, this.trans.__('Keep'), this.trans.__('Stop'));
  }
}
