/** JupyterLab's side of a casita facility: one plug-in per panel, each of which can be disabled. */

import { cache } from './cache';
import { clusters, store } from './clusters';
import { code } from './code';
import { columns } from './columns';
import { dashboards } from './dashboards';
import { facility } from './facility';
import { logs } from './logs';

// For plug-ins of other packages: `import { IFacilityPanel } from '@casita/lab'`.
export { ICode, IDashboards, ILogs } from './clusters/actions';
export { IClusterStore } from './clusters/store';
export { IFacilityPanel, IFacilitySection } from './facility/token';

export default [facility, store, clusters, dashboards, logs, code, cache, columns];
