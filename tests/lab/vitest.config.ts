import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

// The panel's own packages, so that its code and its tests share one React.
const packages = fileURLToPath(new URL('../../extensions/lab/node_modules/', import.meta.url));

export default defineConfig({
  resolve: {
    alias: [
      { find: /^(react|react-dom|@lumino|@jupyterlab)(?=\/|$)/, replacement: `${packages}$1` }
    ]
  },
  test: {
    environment: 'jsdom',
    server: { deps: { inline: [/@jupyter/, /@lumino/, /@microsoft/] } }, // bundlers' ways, not Node's
    setupFiles: ['setup.ts'],
    include: ['*.test.{ts,tsx}']
  }
});
