import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromBase64url, utf8 } from '@mono-auth/core/encoding';
import type { TenantId } from '@mono-auth/core/ids';
import { bundle, checkpoint, merkle, note } from '@mono-auth/log-engine';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runCli } from '../../run-cli.ts';

const origin = 'auth.example.test/t/tenant-a/log';
let directory: string;
let lines: string[];
let vkey: string;

function makeSigner(): note.NoteSigner {
  const { privateKey } = generateKeyPairSync('ed25519');
  const key = createPrivateKey(privateKey.export({ type: 'pkcs8', format: 'pem' }));
  const publicKey = fromBase64url(createPublicKey(key).export({ format: 'jwk' }).x as string);
  return { name: origin, publicKey, sign: (bytes) => sign(null, bytes, key) };
}

async function makeBundle(signer: note.NoteSigner): Promise<string[]> {
  const entries = Array.from({ length: 7 }, (_, index) => utf8(`{"event":${index}}`));
  const tree = new merkle.TreeBuilder();
  for (const entry of entries) tree.append(merkle.leafHash(entry));
  const extensions = checkpoint.logExtensions({
    tenantId: 'ten_01arz3ndektsv4rrffq69g5fav' as TenantId,
    incarnation: 1,
  });
  const text = checkpoint.checkpointText({ origin, size: entries.length, root: tree.root(), extensions });
  const getNode = () => {
    throw new Error('a whole log needs no hashes beside it');
  };
  const key = note.verifierKey(origin, signer.publicKey);
  const signed = await note.signNote(text, signer);
  return [...bundle.buildBundle({ key, checkpoint: signed, from: 0, to: entries.length, entries, getNode })];
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'monoauth-verify-'));
  const signer = makeSigner();
  vkey = note.formatVerifierKey(note.verifierKey(origin, signer.publicKey));
  lines = await makeBundle(signer);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

async function verify(text: string, key = vkey, extra: string[] = []) {
  const path = join(directory, 'bundle.ndjson');
  writeFileSync(path, text);
  const [out, err]: [string[], string[]] = [[], []];
  const code = await runCli(['audit', 'verify', '--bundle', path, '--vkey', key, ...extra], {
    env: {},
    stdout: { write: (chunk) => out.push(chunk) },
    stderr: { write: (chunk) => err.push(chunk) },
    readStdin: async () => '',
    fetch: () => {
      throw new Error('offline');
    },
  });
  return { code, out: out.join(''), err: err.join('') };
}

const whole = () => lines.map((line) => `${line}\n`).join('');

test('a bundle of the log verifies with its key, as text and from a file', async () => {
  const { code, out } = await verify(whole());
  expect(code).toBe(0);
  expect(out).toContain('verified  entries 0 to 7 (exclusive) of 7');
  const file = join(directory, 'log.vkey');
  writeFileSync(file, `${vkey}\n`);
  expect(await verify(whole(), file)).toMatchObject({ code: 0 });
  expect(JSON.parse((await verify(whole(), vkey, ['--json'])).out)).toMatchObject({ verified: true, size: 7 });
});

describe('a bundle that proves nothing exits with 8 and names the fault', () => {
  test.each<[string, () => string, string]>([
    ['an entry changed', () => whole().replace(lines[3] ?? '', changed(lines[3] ?? '')), 'root_mismatch'],
    ['an entry dropped', () => whole().replace(`${lines[3]}\n`, ''), 'line 4: out_of_order'],
    [
      'two entries exchanged',
      () => [...lines.slice(0, 2), lines[3], lines[2], ...lines.slice(4), ''].join('\n'),
      'line 3: out_of_order',
    ],
    ['cut off', () => whole().slice(0, -1), 'truncated'],
    ['without its checkpoint', () => [...lines.slice(0, -1), ''].join('\n'), 'truncated'],
    ['something added', () => `${whole()}{}\n`, 'line 10: trailing_data'],
    ['empty', () => '', 'truncated'],
  ])('%s', async (_, make, fault) => {
    const { code, out, err } = await verify(make());
    expect({ code, out }).toEqual({ code: 8, out: '' });
    expect(err).toContain(fault);
    expect(err.trimEnd().split('\n')).toHaveLength(1);
  });

  test('signed by another key of the same name', async () => {
    const forged = (await makeBundle(makeSigner())).map((line) => `${line}\n`).join('');
    expect(await verify(forged)).toMatchObject({ code: 8 });
  });

  test('with --json the fault is the document', async () => {
    const { code, out } = await verify('', vkey, ['--json']);
    expect(code).toBe(8);
    expect(JSON.parse(out)).toMatchObject({ verified: false, fault: 'truncated' });
  });
});

test('a key that is none is a mistake of the caller: 2', async () => {
  expect(await verify(whole(), `${vkey.slice(0, -4)}AAA=`)).toMatchObject({ code: 2 });
  expect(await verify(whole(), join(directory, 'absent'))).toMatchObject({ code: 2 });
});

/** The same line with another entry, in canonical form. */
function changed(line: string): string {
  return JSON.stringify({ ...JSON.parse(line), entry: Buffer.from('{"event":99}').toString('base64') });
}
