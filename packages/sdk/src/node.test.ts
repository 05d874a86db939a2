import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, expect, test } from 'vitest';

const directory = mkdtempSync(join(tmpdir(), 'monoauth-sdk-node-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

test('a service on Node verifies, follows the feed, reconnects and refuses what was revoked', async () => {
  const entrypoint = fileURLToPath(new URL('./testing/node-story.ts', import.meta.url));
  const built = await Bun.build({ entrypoints: [entrypoint], target: 'node', format: 'esm', outdir: directory });
  expect(built.success).toBe(true);
  const { stdout } = await promisify(execFile)('node', [join(directory, 'node-story.js')], {
    // `bun --bun` puts a `node` of its own in front, in a directory of this name: the one meant here is the one with npm.
    env: {
      ...process.env,
      PATH: process.env.PATH?.split(':')
        .filter((path) => !path.includes('bun-node'))
        .join(':'),
    },
    timeout: 25_000,
  });
  expect(JSON.parse(stdout)).toEqual({ before: 200, after: 401, begunAt: 2, bun: false });
});
