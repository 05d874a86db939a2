import { createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { fromBase64url, hex, utf8 } from '@mono-auth/core/encoding';
import type { TenantId } from '@mono-auth/core/ids';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as bundle from './bundle.ts';
import { checkpointText, logExtensions } from './checkpoint.ts';
import * as merkle from './merkle.ts';
import * as note from './note.ts';

const tenantId = 'ten_01arz3ndektsv4rrffq69g5fav' as TenantId;
const otherTenantId = 'ten_01arz3ndektsv4rrffq69g5faw' as TenantId;
const origin = 'auth.example.test/t/acme';

function signerOf(name: string, seedByte: number): note.NoteSigner & { key: note.VerifierKey } {
  // PKCS #8 frame of an Ed25519 seed (RFC 8410 §7).
  const der = Buffer.from(`302e020100300506032b657004220420${hex(Uint8Array.of(seedByte)).repeat(32)}`, 'hex');
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  const publicKey = fromBase64url(createPublicKey(privateKey).export({ format: 'jwk' }).x as string);
  return { name, publicKey, sign: (bytes) => sign(null, bytes, privateKey), key: note.verifierKey(name, publicKey) };
}

const signer = signerOf(origin, 1);
const vkeys = [signer.key];

interface LogOptions {
  size?: number;
  from?: number;
  to?: number;
  tenant?: TenantId;
  by?: note.NoteSigner;
  origin?: string;
}

const entryAt = (index: number) => utf8(`{"event":${index},"padding":"${'x'.repeat(index)}"}`);

async function exportLog(options: LogOptions = {}): Promise<string[]> {
  const { size = 13, from = 3, to = 10 } = options;
  const nodes = new Map<string, Uint8Array>();
  const tree = new merkle.TreeBuilder();
  for (let index = 0; index < size; index++) {
    for (const node of tree.append(merkle.leafHash(entryAt(index))))
      nodes.set(`${node.level}/${node.index}`, node.hash);
  }
  const text = checkpointText({
    origin: options.origin ?? origin,
    size,
    root: tree.root(),
    extensions: logExtensions({ tenantId: options.tenant ?? tenantId, incarnation: 2 }),
  });
  return [
    ...bundle.buildBundle({
      key: signer.key,
      checkpoint: await note.signNote(text, options.by ?? signer),
      from,
      to,
      entries: Array.from({ length: to - from }, (_, i) => entryAt(from + i)),
      getNode: (level, index) => nodes.get(`${level}/${index}`) as Uint8Array,
    }),
  ];
}

const textOf = (lines: readonly string[]) => lines.map((line) => `${line}\n`).join('');
const faultOf = (source: string | Uint8Array | Iterable<string>, keys = vkeys) => {
  const report = bundle.verifyBundle(source, { vkeys: keys });
  return report.verified ? 'verified' : report.fault;
};

/** The same line with one member changed, in canonical form. */
function edit(lines: readonly string[], at: number, change: Record<string, unknown>): string[] {
  return lines.map((line, i) =>
    i === (at + lines.length) % lines.length ? JSON.stringify({ ...JSON.parse(line), ...change }) : line,
  );
}

/** What a forger would do: number the remaining entries afresh and announce that many. */
function renumber(lines: readonly string[]): string[] {
  const [header = '', ...rest] = lines;
  const { from, ...frame } = JSON.parse(header) as { from: number };
  const to = from + rest.length - 1;
  const entries = rest.slice(0, -1).map((line, i) => JSON.stringify({ ...JSON.parse(line), index: from + i }));
  const { format, version, tenant, origin, vkey, left } = frame as Record<string, unknown>;
  return [JSON.stringify({ format, version, tenant, origin, vkey, from, to, left }), ...entries, rest.at(-1) ?? ''];
}

/** A well-formed hash that is none of the tree's. */
const strangeHash = Buffer.alloc(32, 7).toString('base64');
const lines = await exportLog();
const whole = await exportLog({ from: 0, to: 13 });

describe('what verifies', () => {
  test('every range of every log up to nine entries verifies, from text, bytes and lines', async () => {
    for (let size = 0; size <= 9; size++) {
      for (let from = 0; from <= size; from++) {
        for (let to = from; to <= size; to++) {
          const made = await exportLog({ size, from, to });
          expect(faultOf(made)).toBe('verified');
          expect(faultOf(textOf(made))).toBe('verified');
          expect(faultOf(utf8(textOf(made)))).toBe('verified');
        }
      }
    }
  });

  test('the report says what was proved', () => {
    expect(bundle.verifyBundle(lines, { vkeys })).toMatchObject({
      verified: true,
      tenant: tenantId,
      origin,
      incarnation: 2,
      from: 3,
      to: 10,
      size: 13,
      vkey: note.formatVerifierKey(signer.key),
    });
  });

  test('other trusted keys do not matter', () => {
    expect(faultOf(lines, [signerOf(origin, 9).key, signer.key])).toBe('verified');
  });

  test('signatures of witnesses are left out of the bundle', async () => {
    const witness = signerOf('witness.example.test', 7);
    const text = checkpointText({
      origin,
      size: 0,
      root: merkle.emptyRoot(),
      extensions: logExtensions({ tenantId, incarnation: 1 }),
    });
    const [ours, theirs] = [await note.signNote(text, signer), await note.signNote(text, witness)].map(note.parseNote);
    const signatures = [...(theirs?.signatures ?? []), ...(ours?.signatures ?? [])];
    const checkpoint = note.formatNote({ text, signatures });
    const getNode = () => merkle.emptyRoot();
    expect(
      faultOf([...bundle.buildBundle({ key: signer.key, checkpoint, from: 0, to: 0, entries: [], getNode })]),
    ).toBe('verified');
  });
});

describe('what is detected', () => {
  test('any flipped bit of any entry', () => {
    for (let i = 1; i < lines.length - 1; i++) {
      const { entry } = JSON.parse(lines[i] as string) as { entry: string };
      const bytes = Buffer.from(entry, 'base64');
      for (let bit = 0; bit < bytes.length * 8; bit++) {
        const changed = Buffer.from(bytes);
        changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
        expect(faultOf(edit(lines, i, { entry: changed.toString('base64') }))).toBe('root_mismatch');
      }
    }
  });

  test('a dropped entry', () => expect(faultOf(lines.toSpliced(4, 1))).toBe('out_of_order'));
  test('a dropped first entry', () => expect(faultOf(lines.toSpliced(1, 1))).toBe('out_of_order'));
  test('a dropped last entry', () => expect(faultOf(lines.toSpliced(-2, 1))).toBe('missing_entries'));
  test('a dropped entry with the rest renumbered', () => {
    expect(faultOf(renumber(whole.toSpliced(4, 1)))).toBe('wrong_range');
    expect(faultOf(edit(renumber(whole.toSpliced(4, 1)), -1, { right: [strangeHash] }))).toBe('root_mismatch');
  });
  test('two entries in each other’s place', () => {
    const swapped = lines.with(3, lines[4] as string).with(4, lines[3] as string);
    expect(faultOf(swapped)).toBe('out_of_order');
    expect(faultOf(renumber(swapped))).toBe('root_mismatch');
  });
  test('an entry given twice', () => {
    const doubled = lines.toSpliced(3, 0, lines[3] as string);
    expect(faultOf(doubled)).toBe('out_of_order');
    expect(faultOf(renumber(doubled).toSpliced(-2, 1))).toBe('missing_entries');
    expect(['wrong_range', 'root_mismatch']).toContain(faultOf(renumber(doubled)));
  });
  test('an entry appended to the range', () => {
    const extra = JSON.stringify({ index: 10, entry: Buffer.from(entryAt(10)).toString('base64') });
    expect(faultOf(lines.toSpliced(-1, 0, extra))).toBe('extra_entries');
  });
  test('anything after the checkpoint', () => {
    expect(faultOf([...lines, lines.at(-1) as string])).toBe('trailing_data');
    expect(faultOf(`${textOf(lines)}\n`)).toBe('trailing_data');
    expect(faultOf([...lines, lines[1] as string])).toBe('trailing_data');
  });
  test('a bundle cut off after any byte', () => {
    const bytes = utf8(textOf(lines));
    for (let length = 0; length < bytes.length; length++)
      expect(faultOf(bytes.subarray(0, length))).not.toBe('verified');
    expect(faultOf(lines.slice(0, -1))).toBe('truncated');
    expect(faultOf([])).toBe('truncated');
  });
  test('a checkpoint with anything changed', () => {
    const { checkpoint } = JSON.parse(lines.at(-1) as string) as { checkpoint: string };
    const bend = (from: string | RegExp, to: string) =>
      faultOf(edit(lines, -1, { checkpoint: checkpoint.replace(from, to) }));
    expect(bend('\n13\n', '\n14\n')).toBe('bad_signature');
    expect(bend('incarnation 2', 'incarnation 3')).toBe('bad_signature');
    expect(bend(tenantId, otherTenantId)).toBe('bad_signature');
    expect(bend(/— .*\n/, '')).toBe('bad_signature');
    expect(bend(/(— .*\n)/, '$1$1')).toBe('bad_signature');
    expect(bend('acme\n', 'beta\n')).toBe('bad_signature');
  });
  test('a checkpoint of the same log at another size', async () => {
    const { checkpoint } = JSON.parse((await exportLog({ size: 12 })).at(-1) as string) as { checkpoint: string };
    expect(['wrong_range', 'root_mismatch']).toContain(faultOf(edit(lines, -1, { checkpoint })));
  });
  test('a header that names another tenant, origin or key', async () => {
    expect(faultOf(edit(lines, 0, { tenant: otherTenantId }))).toBe('wrong_log');
    expect(faultOf(edit(lines, 0, { origin: 'auth.example.test/t/beta' }))).toBe('wrong_log');
    expect(faultOf(edit(lines, 0, { vkey: note.formatVerifierKey(signerOf(origin, 2).key) }))).toBe('untrusted_key');
    // Signed by the right key, but for another tenant than the header says.
    expect(faultOf(edit(await exportLog({ tenant: otherTenantId }), 0, { tenant: tenantId }))).toBe('wrong_log');
  });
  test('a header that announces another range, format or version', () => {
    expect(faultOf(edit(lines, 0, { to: 9 }))).toBe('extra_entries');
    expect(faultOf(edit(lines, 0, { to: 11 }))).toBe('missing_entries');
    expect(faultOf(edit(lines, 0, { to: 2 }))).toBe('wrong_range');
    expect(faultOf(edit(lines, 0, { from: 2 }))).toBe('wrong_range');
    expect(faultOf(edit(lines, 0, { from: 5 }))).toBe('out_of_order');
    expect(faultOf(edit(lines, 0, { format: 'other' }))).toBe('malformed_line');
    expect(faultOf(edit(lines, 0, { version: 2 }))).toBe('malformed_line');
  });
  test('a changed hash beside the range', () => {
    const { left } = JSON.parse(lines[0] as string) as { left: string[] };
    const { right } = JSON.parse(lines.at(-1) as string) as { right: string[] };
    expect(left.length).toBeGreaterThan(0);
    expect(right.length).toBeGreaterThan(0);
    expect(faultOf(edit(lines, 0, { left: left.with(0, strangeHash) }))).toBe('root_mismatch');
    expect(faultOf(edit(lines, -1, { right: right.with(0, strangeHash) }))).toBe('root_mismatch');
    expect(faultOf(edit(lines, -1, { right: [] }))).toBe('wrong_range');
    expect(faultOf(edit(lines, -1, { right: [...right, strangeHash] }))).toBe('wrong_range');
  });
  test('a whole log forged under a key of the forger’s own, whatever the bundle says', async () => {
    const forger = signerOf(origin, 66);
    const { checkpoint } = JSON.parse(lines.at(-1) as string) as { checkpoint: string };
    const resigned = await note.signNote(note.parseNote(checkpoint).text, forger);
    const withCheckpoint = edit(lines, -1, { checkpoint: resigned });
    expect(faultOf(withCheckpoint)).toBe('bad_signature');
    expect(faultOf(edit(withCheckpoint, 0, { vkey: note.formatVerifierKey(forger.key) }))).toBe('untrusted_key');
    expect(faultOf(lines, [])).toBe('untrusted_key');
  });
  test('the same content in any other spelling', () => {
    const text = textOf(lines);
    expect(faultOf(text.replaceAll('\n', '\r\n'))).toBe('malformed_line');
    expect(faultOf(`\ufeff${text}`)).toBe('malformed_line');
    expect(faultOf(utf8(`\ufeff${text}`))).toBe('malformed_line');
    expect(faultOf(text.replace('"index":3', '"index": 3'))).toBe('malformed_line');
    expect(faultOf(text.replace('"index":3', '"index":3.0'))).toBe('malformed_line');
    expect(faultOf(text.replace('"index":3', '"index":4,"index":3'))).toBe('malformed_line');
    expect(faultOf(text.replace('{"index":3,', '{"note":1,"index":3,'))).toBe('malformed_line');
    expect(faultOf(text.replace('—', '\\u2014'))).toBe('malformed_line');
  });
  test('any one flipped bit anywhere in the file', () => {
    const bytes = utf8(textOf(lines));
    fc.assert(
      fc.property(fc.nat(bytes.length * 8 - 1), (bit) => {
        const changed = Uint8Array.from(bytes);
        changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
        expect(faultOf(changed)).not.toBe('verified');
      }),
      { numRuns: 2_000 },
    );
  });
  test('any one line lost, doubled or exchanged with another', () => {
    const places = fc.tuple(fc.nat(lines.length - 1), fc.nat(lines.length - 1));
    fc.assert(
      fc.property(places, ([a, b]) => {
        expect(faultOf(lines.toSpliced(a, 1))).not.toBe('verified');
        expect(faultOf(lines.toSpliced(b, 0, lines[a] as string))).not.toBe('verified');
        if (a !== b)
          expect(faultOf(lines.with(a, lines[b] as string).with(b, lines[a] as string))).not.toBe('verified');
      }),
    );
  });
});

test('a fault is reported at its line, and nothing after it changes the verdict', () => {
  const report = bundle.verifyBundle(lines.toSpliced(4, 1), { vkeys });
  expect(report).toMatchObject({ verified: false, fault: 'out_of_order', line: 5 });
});

test('a bundle that would not verify is not built', async () => {
  await expect(exportLog({ from: 5, to: 14 })).rejects.toThrow('range');
  await expect(exportLog({ by: signerOf(origin, 5) })).rejects.toThrow('no signature by a trusted key');
  await expect(exportLog({ origin: 'auth.example.test/t/beta' })).rejects.toThrow('another log');
  const checkpoint = (JSON.parse(lines.at(-1) as string) as { checkpoint: string }).checkpoint;
  const getNode = () => merkle.emptyRoot();
  const build = (entries: Uint8Array[]) => [
    ...bundle.buildBundle({ key: signer.key, checkpoint, from: 0, to: 1, entries, getNode }),
  ];
  expect(() => build([])).toThrow('0 of 1');
  expect(() => build([entryAt(0), entryAt(1)])).toThrow('entry 1');
  expect(() => build([new Uint8Array(bundle.entryBytesMax + 1)])).toThrow('entry 0');
});
