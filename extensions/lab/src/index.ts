/** JupyterLab's side of a casita facility: one plug-in per panel, each of which can be disabled. */

import { clusters, store } from './clusters';
import { facility } from './facility';

export default [facility, store, clusters];
