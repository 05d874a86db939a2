import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { base64url } from '@mono-auth/core/encoding';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';

const main = fileURLToPath(new URL('./main.ts', import.meta.url));
let db: TestDatabase;

beforeAll(async () => {
  db = await openTestDatabase();
});
afterAll(() => db.close());

const good = () => ({
  MONO_DATABASE_URL: db.url,
  MONO_BASE_URL: 'https://mono.test',
  MONO_KEK: base64url(testKek),
});

/** Runs the worker as a process of its own; `stopWith` is sent once it works. */
async function runMain(
  env: Record<string, string>,
  stopWith?: NodeJS.Signals,
): Promise<{ code: unknown; text: string }> {
  const child = spawn(process.execPath, [main], { env: { PATH: process.env.PATH ?? '', ...env } });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      text += String(chunk);
      if (stopWith && text.includes('"working"')) child.kill(stopWith);
    });
  }
  const code = await new Promise((resolve) => child.on('close', resolve));
  return { code, text };
}

test.each(['SIGTERM', 'SIGINT'] as const)('the worker works and drains on %s', async (signal) => {
  const { code, text } = await runMain(good(), signal);
  expect(text).toContain('"stopping"');
  expect(code).toBe(0);
});

test('every setting at fault ends with one line that names it, and exit code 2', async () => {
  const nowhere = new URL(db.url);
  nowhere.port = '1';
  const missing = new URL(db.url);
  missing.pathname = '/nowhere';
  const { MONO_KEK: _, ...withoutKek } = good();
  const cases: [Record<string, string>, string][] = [
    [withoutKek, 'MONO_KEK is not set'],
    [{ ...good(), MONO_KEK: base64url(new Uint8Array(32).fill(1)) }, 'MONO_KEK: the database refuses'],
    [{ ...good(), MONO_DATABASE_URL: nowhere.toString() }, 'MONO_DATABASE_URL: the server does not answer'],
    [{ ...good(), MONO_DATABASE_URL: missing.toString() }, 'MONO_DATABASE_URL: the server has no such database'],
    [{ ...good(), MONO_BASE_URL: 'ftp://x' }, 'MONO_BASE_URL: is no web address'],
  ];
  const results = await Promise.all(cases.map(([env]) => runMain(env)));
  for (const [i, { code, text }] of results.entries()) {
    expect(text).toContain(`mono-auth worker: ${cases[i]?.[1]}`);
    expect(text.trimEnd().split('\n')).toHaveLength(1);
    expect(code).toBe(2);
  }
});
