/** The commands for datasets and files, and the menu that shows them. */

import { JupyterFrontEnd } from '@jupyterlab/application';
import { TranslationBundle } from '@jupyterlab/translation';
import {
  clearIcon,
  codeIcon,
  copyIcon,
  downloadIcon,
  LabIcon,
  MenuSvg
} from '@jupyterlab/ui-components';
import { ReadonlyJSONObject } from '@lumino/coreutils';

import { pinIcon } from '../icons';
import { Operations } from './operations';
import { Action, ISubject, sensible } from './subject';

interface ICommand {
  icon: LabIcon;
  label: (subject: ISubject) => string;
}

type Commands = Record<Action, ICommand>;
const ORDER: readonly Action[] = ['prefetch', 'insert', 'pin', 'evict', 'copy'];

export class RowMenu {
  constructor(
    app: JupyterFrontEnd,
    operations: Operations,
    private readonly trans: TranslationBundle
  ) {
    this.menu = new MenuSvg({ commands: app.commands });
    this.menu.addClass('casita-RowMenu');
    const commands = this.commands();
    for (const action of ORDER) {
      const { icon, label } = commands[action];
      app.commands.addCommand(idOf(action), {
        icon,
        label: args => label(args as unknown as ISubject),
        isEnabled: args => 'id' in args && sensible(action, args as unknown as ISubject),
        isVisible: () => action !== 'insert' || operations.inserts,
        execute: args => operations.do(action, args as unknown as ISubject),
        describedBy: { args: ARGUMENTS }
      });
    }
  }

  /** Open it at a place of the page; `from` has the focus again when it closes. */
  open(subject: ISubject, x: number, y: number, from: HTMLElement | null): void {
    this.menu.clearItems();
    const args = { ...subject } as unknown as ReadonlyJSONObject;
    for (const action of ORDER) {
      this.menu.addItem({ command: idOf(action), args });
    }
    this.menu.open(x, y);
    const back = () => {
      this.menu.aboutToClose.disconnect(back);
      from?.focus();
    };
    this.menu.aboutToClose.connect(back);
  }

  /** Let the arrow keys begin at the first item. */
  enter(): void {
    this.menu.activateNextItem();
  }

  private commands(): Commands {
    const { trans } = this;
    return {
      prefetch: { icon: downloadIcon, label: () => trans.__('Prefetch') },
      insert: { icon: codeIcon, label: () => trans.__('Insert Code') },
      pin: {
        icon: pinIcon,
        label: one => (one.pinned ? trans.__('Unpin') : trans.__('Pin: Fetch and Keep'))
      },
      evict: { icon: clearIcon, label: () => trans.__('Evict…') },
      copy: {
        icon: copyIcon,
        label: one => (one.kind === 'dataset' ? trans.__('Copy Name') : trans.__('Copy URL'))
      }
    };
  }

  private readonly menu: MenuSvg;
}

const ARGUMENTS = {
  type: 'object',
  required: ['kind', 'id', 'title', 'cached', 'fraction', 'pinned'],
  properties: {
    kind: { type: 'string', enum: ['dataset', 'file'] },
    id: { type: 'string', description: "The dataset's name, or the file's URL" },
    title: { type: 'string' },
    cached: { type: 'number' },
    fraction: { type: ['number', 'null'] },
    pinned: { type: 'boolean' }
  }
};

function idOf(action: Action): string {
  return `casita:cache-${action}`;
}
