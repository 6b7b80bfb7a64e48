/** Puts code into notebooks: at a click, or by drag and drop. */

import { JupyterFrontEnd } from '@jupyterlab/application';
import { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { MimeData } from '@lumino/coreutils';
import { Drag } from '@lumino/dragdrop';

/** What Lab's notebooks take for cells (JUPYTER_CELL_MIME of @jupyterlab/notebook). */
const CELLS = 'application/vnd.jupyter.cells';

/**
 * Put code into the active notebook, or a new one; it is not run.
 *
 * An empty active cell is filled, otherwise a cell is added below it.
 */
export async function insertCode(
  app: JupyterFrontEnd,
  notebooks: INotebookTracker,
  code: string
): Promise<void> {
  const panel = notebooks.currentWidget ?? (await newNotebook(app, notebooks));
  await panel.context.ready;
  await panel.revealed;
  const notebook = panel.content;
  const active = notebook.activeCell?.model;
  if (active?.type === 'code' && !active.sharedModel.getSource().trim()) {
    active.sharedModel.setSource(code);
  } else {
    const index = notebook.activeCellIndex + 1;
    const cell = { cell_type: 'code', source: code, metadata: { trusted: true } };
    notebook.model?.sharedModel.insertCell(index, cell);
    notebook.activeCellIndex = index;
  }
  app.shell.activateById(panel.id);
  notebook.mode = 'command';
  notebook.activate();
}

async function newNotebook(
  app: JupyterFrontEnd,
  notebooks: INotebookTracker
): Promise<NotebookPanel> {
  const specs = app.serviceManager.kernelspecs;
  await specs.ready;
  const kernelName = specs.specs?.default;
  const made: unknown = await app.commands.execute('notebook:create-new', { kernelName });
  const panel = made instanceof NotebookPanel ? made : notebooks.currentWidget;
  if (!panel) {
    throw new Error('no notebook could be made');
  }
  return panel;
}

/** Start to drag code: a notebook takes it as a cell, an editor as text. */
export function dragCode(
  source: unknown,
  code: string,
  clientX: number,
  clientY: number
): Promise<unknown> {
  const mimeData = new MimeData();
  const cell = {
    cell_type: 'code',
    source: code,
    metadata: {},
    outputs: [],
    execution_count: null
  };
  mimeData.setData(CELLS, [cell]);
  mimeData.setData('text/plain', code);
  const dragImage = document.createElement('div');
  dragImage.className = 'casita-DragImage';
  dragImage.textContent = code.split('\n').at(-1) ?? '';
  const drag = new Drag({
    mimeData,
    dragImage,
    supportedActions: 'copy',
    proposedAction: 'copy',
    source
  });
  return drag.start(clientX, clientY).finally(() => drag.dispose());
}
