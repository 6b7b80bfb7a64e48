/** Which packages to name where notebook and cluster differ.  Pure. */

import { TranslationBundle } from '@jupyterlab/translation';

import { Difference, Environment } from '../clusters/models';

/** Those that matter most, first what passes between notebook and cluster. */
const TELLING = [
  ...['python', 'dask', 'distributed', 'cloudpickle', 'msgpack'],
  ...['coffea', 'awkward', 'uproot', 'numpy', 'hist', 'pyarrow']
];
const SHOWN = 5;

/** A sentence or two; "" if all is well. */
export function differencesText(environment: Environment, trans: TranslationBundle): string {
  const ordered = [...environment.differences].sort((a, b) => rank(a) - rank(b));
  const listed = ordered.slice(0, SHOWN).map(one => describe(one, trans));
  if (!listed.length) {
    return '';
  }
  const more = ordered.length - SHOWN;
  if (more > 0) {
    listed.push(trans.__('%1 more', more));
  }
  const remedy = trans.__('Make the cluster with the environment that your notebook uses.');
  return `${listed.join(', ')}. ${remedy}`;
}

function rank(one: Difference): number {
  const found = TELLING.indexOf(one.package);
  // What is there in another version breaks in odder ways than what is missing.
  return found >= 0 ? found : TELLING.length + (one.there === null ? 1 : 0);
}

function describe(one: Difference, trans: TranslationBundle): string {
  return one.there === null
    ? trans.__('%1 is missing', one.package)
    : trans.__('%1 %2 instead of %3', one.package, one.there, one.here);
}
