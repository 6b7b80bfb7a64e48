/** `@casita/lab:code`: puts code into notebooks, such as connects to a cluster. */

import { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ITranslator, nullTranslator, TranslationBundle } from '@jupyterlab/translation';

import { ICode } from '../clusters/actions';
import { title } from '../clusters/format';
import { Cluster, Environment } from '../clusters/models';
import { IFacilityPanel } from '../facility/token';
import { Api } from '../http';
import { notify, notifyError } from '../notify';
import { differencesText } from './environment';
import { dragCode, insertCode } from './insert';
import { connectCode } from './text';

export const code: JupyterFrontEndPlugin<ICode> = {
  id: '@casita/lab:code',
  description: 'Puts code into notebooks, such as connects to a Dask cluster.',
  autoStart: true,
  requires: [IFacilityPanel, INotebookTracker],
  optional: [ITranslator],
  provides: ICode,
  activate: (
    app: JupyterFrontEnd,
    panel: IFacilityPanel,
    notebooks: INotebookTracker,
    translator: ITranslator | null
  ): ICode => {
    const trans = (translator ?? nullTranslator).load('casita');
    const warn = (cluster: Cluster) => void warnOfPackages(panel.api, cluster, trans);
    const insertText = (text: string) => {
      insertCode(app, notebooks, text).catch((error: unknown) =>
        notifyError(trans.__('No code was inserted'), error)
      );
    };
    return {
      insertText,
      insert: cluster => {
        warn(cluster);
        insertText(connectCode(cluster));
      },
      drag: (cluster, clientX, clientY) => {
        void dragCode(panel, connectCode(cluster), clientX, clientY).then(action => {
          if (action !== 'none') {
            warn(cluster);
          }
        });
      }
    };
  }
};

/** Say before a task fails that the cluster has other packages. */
async function warnOfPackages(api: Api, cluster: Cluster, trans: TranslationBundle): Promise<void> {
  let text: string;
  try {
    text = differencesText(
      await api.request<Environment>(`clusters/${cluster.name}/environment`),
      trans
    );
  } catch {
    return; // `connect` compares once more, in the kernel itself
  }
  if (text) {
    notify('warning', trans.__('%1 has other packages than this server', title(cluster)), text);
  }
}
