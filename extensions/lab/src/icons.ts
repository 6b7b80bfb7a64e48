/** Icons that Lab does not have; each takes the theme's colours. */

import { LabIcon } from '@jupyterlab/ui-components';

function icon(name: string, path: string, colour = 'jp-icon3'): LabIcon {
  const svgstr =
    '<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16" viewBox="0 0 24 24">' +
    `<path class="${colour}" fill="#616161" d="${path}"/></svg>`;
  return new LabIcon({ name: `casita:${name}`, svgstr });
}

export const facilityIcon = icon(
  'facility',
  'M12 3 2 11.5h3V20h5.5v-5.5h3V20H19v-8.5h3L18 8.1V4.5h-2.5v1.5L12 3z',
  'jp-icon3 jp-icon-selectable'
);
export const dashboardIcon = icon(
  'dashboard',
  'M3 3h2v16h16v2H3V3zm4 8h3v6H7v-6zm4.5-5h3v11h-3V6zM16 9h3v8h-3V9z'
);
export const layoutIcon = icon(
  'layout',
  'M3 3h11v8H3V3zm2 2v4h7V5H5zm11-2h5v8h-5V3zm2 2v4h1V5h-1zM3 13h7v8H3v-8zm2 2v4h3v-4H5zm7-2h9v8h-9v-8zm2 2v4h5v-4h-5z'
);
export const workersIcon = icon(
  'workers',
  'M7 7h10v10H7V7zm2 2v6h6V9H9zM8 2h2v3H8V2zm6 0h2v3h-2V2zM8 19h2v3H8v-3zm6 0h2v3h-2v-3zM2 8h3v2H2V8zm0 6h3v2H2v-2zm17-6h3v2h-3V8zm0 6h3v2h-3v-2z'
);
export const logsIcon = icon(
  'logs',
  'M4 4h16v2H4V4zm0 4.7h10v2H4v-2zm0 4.6h16v2H4v-2zM4 18h12v2H4v-2z'
);
export const pinIcon = icon('pin', 'M16 3v2l-1 1v5l3 3v2h-5v5l-1 1-1-1v-5H6v-2l3-3V6L8 5V3h8z');
export const columnsIcon = icon(
  'columns',
  'M3 4h5v16H3V4zm2 2v12h1V6H5zm5-2h4v16h-4V4zm6 0h5v16h-5V4zm2 2v12h1V6h-1z'
);
