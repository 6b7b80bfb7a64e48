/** `@casita/lab:facility`: the panel to which all other plug-ins add their sections. */

import { ILayoutRestorer, JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, Notification } from '@jupyterlab/apputils';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator, nullTranslator, TranslationBundle } from '@jupyterlab/translation';

import { Api } from '../http';
import { facilityIcon } from '../icons';
import { withSetting } from '../settings';
import { CullWarning } from './culling';
import { FacilityPanel } from './panel';
import { IFacilityPanel } from './token';

const ID = '@casita/lab:facility';
export const SHOW = 'casita:show-panel';

/** A notification's button that shows the panel. */
export function showAction(app: JupyterFrontEnd, trans: TranslationBundle): Notification.IAction {
  const callback = () => void app.commands.execute(SHOW);
  return { label: trans.__('Show'), callback, displayType: 'default' };
}

export const facility: JupyterFrontEndPlugin<IFacilityPanel> = {
  id: ID,
  description: 'The Facility panel: who is where, and a section for each service.',
  autoStart: true,
  provides: IFacilityPanel,
  optional: [ITranslator, ILayoutRestorer, ICommandPalette, ISettingRegistry],
  activate: (
    app: JupyterFrontEnd,
    translator: ITranslator | null,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    settings: ISettingRegistry | null
  ): IFacilityPanel => {
    const trans = (translator ?? nullTranslator).load('casita');
    const panel = new FacilityPanel(new Api(app.serviceManager.serverSettings), trans);
    panel.id = 'casita-facility';
    panel.title.icon = facilityIcon;
    panel.title.caption = trans.__('Facility');
    app.shell.add(panel, 'left', { rank: 150, type: 'Facility' });
    restorer?.add(panel, panel.id);

    app.commands.addCommand(SHOW, {
      label: trans.__('Show the Facility Panel'),
      icon: facilityIcon,
      execute: () => app.shell.activateById(panel.id),
      describedBy: { args: { type: 'object', properties: {} } }
    });
    palette?.addItem({ command: SHOW, category: trans.__('Facility') });

    const warning = new CullWarning(panel.facility, panel.api, trans);
    withSetting(settings, ID, 'warnBeforeStop', minutes => (warning.minutes = Number(minutes)));
    return panel;
  }
};
