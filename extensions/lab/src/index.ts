/** JupyterLab's side of a casita facility: one plug-in per panel, each of which can be disabled. */

import { clusters, store } from './clusters';
import { code } from './code';
import { dashboards } from './dashboards';
import { facility } from './facility';
import { logs } from './logs';

export default [facility, store, clusters, dashboards, logs, code];
