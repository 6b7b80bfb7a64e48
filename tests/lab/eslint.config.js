// What eslint holds the panel's TypeScript and its tests to; prettier sees to the format.

import reactHooks from 'eslint-plugin-react-hooks';
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

export default defineConfig(
  { ignores: ['**/*.js', '**/node_modules/', '**/models.ts'] },
  tseslint.configs.strictTypeChecked,
  tseslint.configs.stylisticTypeChecked,
  reactHooks.configs.flat.recommended,
  {
    languageOptions: {
      parserOptions: {
        project: ['extensions/lab/tsconfig.json', 'tests/lab/tsconfig.json'],
        tsconfigRootDir: new URL('../..', import.meta.url).pathname
      }
    },
    rules: {
      curly: 'error',
      eqeqeq: 'error',
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-empty-function': 'off', // nothing to do is a thing to do
      '@typescript-eslint/no-misused-promises': [
        'error',
        { checksVoidReturn: { attributes: false } }
      ],
      '@typescript-eslint/no-non-null-assertion': 'off', // for what a condition elsewhere sees to
      '@typescript-eslint/no-unnecessary-condition': 'off', // takes signal.aborted for constant
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }
      ],
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off', // takes Lumino's `this` amiss
      '@typescript-eslint/prefer-nullish-coalescing': [
        'error',
        { ignorePrimitives: { string: true } }
      ],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/unbound-method': 'off', // Lab's namespaces of functions look like classes
      'react-hooks/immutability': 'off' // an Observable is there to be changed
    }
  }
);
