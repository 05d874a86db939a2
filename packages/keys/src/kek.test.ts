import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { base64url } from '@mono-auth/core/encoding';
import { afterAll, expect, test } from 'vitest';
import { readKek } from './kek.ts';

const kek = new Uint8Array(32).fill(9);
const directory = mkdtempSync(join(tmpdir(), 'mono-kek-'));
const path = join(directory, 'kek');
writeFileSync(path, `${base64url(kek)}\n`);
afterAll(() => rmSync(directory, { recursive: true }));

test('the key is read from the variable, from a file: reference and from MONO_KEK_FILE alike', () => {
  for (const env of [{ MONO_KEK: base64url(kek) }, { MONO_KEK: `file:${path}` }, { MONO_KEK_FILE: path }]) {
    expect(readKek(env)).toEqual(kek);
  }
});

test.each([
  ['nothing set', {}, 'MONO_KEK is not set'],
  ['both set', { MONO_KEK: 'a', MONO_KEK_FILE: 'b' }, 'both set'],
  ['a short key', { MONO_KEK: base64url(kek.subarray(1)) }, 'MONO_KEK: 31 bytes'],
  ['padding', { MONO_KEK: `${base64url(kek)}=` }, 'not base64url'],
  ['a missing file', { MONO_KEK_FILE: join(directory, 'no') }, 'ENOENT'],
])('%s is refused in one line that says what is allowed', (_, env, why) => {
  let message = '';
  try {
    readKek(env);
  } catch (error) {
    message = (error as Error).message;
  }
  expect(message).toContain(why);
  expect(message).not.toContain('\n');
});

test('a refused key is not repeated in the message', () => {
  const secret = `${base64url(kek)}!`;
  expect(() => readKek({ MONO_KEK: secret })).toThrow(/^(?!.*CQkJ)/);
});
