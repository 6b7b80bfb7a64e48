/** Settings that take effect as they are changed. */

import { ISettingRegistry } from '@jupyterlab/settingregistry';

/** Call `apply` with a plug-in's setting, now and whenever it changes. */
export function withSetting(
  settings: ISettingRegistry | null,
  plugin: string,
  name: string,
  apply: (value: unknown) => void
): void {
  settings?.load(plugin).then(
    loaded => {
      const tell = () => apply(loaded.get(name).composite);
      loaded.changed.connect(tell);
      tell();
    },
    // Lab has told of a settings file that can't be read; the default holds.
    () => undefined
  );
}
