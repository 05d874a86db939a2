import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    root: fileURLToPath(new URL('../../', import.meta.url)),
    include: ['packages/**/*.test.ts', 'apps/**/*.test.ts', 'infra/**/*.test.ts'],
    exclude: ['**/node_modules/**', '.mono/**'],
    // Under Bun the fork pool crashes; threads share one process.
    pool: 'threads',
    fileParallelism: true,
    // Each file may own a database and an HTTP server: more would only wait for each other on a small machine.
    maxWorkers: 2,
    watch: false,
    // Real Postgres, real keys: a first Argon2id or RSA key alone may take seconds on a loaded machine.
    testTimeout: 30_000,
    // Hooks clone a database and start servers.
    hookTimeout: 60_000,
    globalSetup: 'packages/testing/src/global-setup.ts',
    reporters: ['default', 'json'],
    outputFile: { json: '.mono/vitest.json' },
  },
});
