import { createHash, generateKeyPairSync, sign, verify } from 'node:crypto';
import { utf8 } from '@mono-auth/core/encoding';
import type { TenantId } from '@mono-auth/core/ids';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { genesisHash } from './chain.ts';
import { headBytes } from './head.ts';
import { RevocationState } from './revocation-state.ts';
import { cutsMax, encodeSnapshot, type SnapshotStatement, snapshotBytes, verifySnapshot } from './signed-snapshot.ts';

const tenantId = 'ten_01arz3ndektsv4rrffq69g5fav' as TenantId;
const otherTenantId = 'ten_01arz3ndektsv4rrffq69g5faw' as TenantId;
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const signature = (message: Uint8Array) => sign('sha256', message, privateKey);
const verifier = (message: Uint8Array, raw: Uint8Array) => verify('sha256', message, publicKey, raw);

const cut = (n: number) => ['token', `t-${n}`, n, null] as const;
const stateOf = (count: number) =>
  RevocationState.fromSnapshot({
    ...{ v: 1, seq: count, epoch: 0, epochSeq: 0 },
    cuts: Array.from({ length: count }, (_, i) => cut(i + 1)),
  });
const position = { incarnation: 2, seq: 3, hash: genesisHash(tenantId, 2) };
const { bytes, hash: snapshotHash } = encodeSnapshot(stateOf(3));
const statement: SnapshotStatement = { tenantId, position, snapshotHash };
const signed = signature(snapshotBytes(statement));

const refused = (change: Partial<SnapshotStatement>, sent = bytes, raw: Uint8Array = signed) =>
  expect(verifySnapshot({ ...statement, ...change }, sent, raw, verifier)).rejects.toMatchObject({
    reason: 'verification_failed',
  });

test('what was signed is opened: the state and the position that it stands for', async () => {
  const opened = await verifySnapshot(statement, bytes, signed, verifier);
  expect(opened).toMatchObject({ tenantId, position });
  expect(opened.state.toSnapshot()).toEqual(stateOf(3).toSnapshot());
});

describe('nothing else is', () => {
  test('any byte changed, left out or added', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
        await refused(
          {},
          bytes.map((byte, i) => (i === at ? byte ^ flip : byte)),
        );
        await refused(
          {},
          bytes.filter((_, i) => i !== at),
        );
        await refused({}, Uint8Array.of(...bytes, flip));
      }),
      { numRuns: 50 },
    );
  });

  test('the state without one of its revocations, under its own hash', async () => {
    const shorter = encodeSnapshot(
      RevocationState.fromSnapshot({ ...stateOf(3).toSnapshot(), cuts: [cut(1), cut(3)] }),
    );
    await refused({ snapshotHash: shorter.hash }, shorter.bytes);
  });

  test('another tenant, incarnation, place or chain under the same signature', async () => {
    await refused({ tenantId: otherTenantId });
    await refused({ position: { ...position, incarnation: 3 } });
    await refused({ position: { ...position, seq: 4 } });
    await refused({ position: { ...position, hash: genesisHash(tenantId, 3) } });
    await refused({ position: { ...position, hash: new Uint8Array(31) } });
    await refused({ position: { ...position, seq: -1 } });
  });

  test('the signature of a head at the same place', async () => {
    const head = headBytes({ tenantId, incarnation: 2, seq: 3, headHash: position.hash, issuedAtMs: 0 });
    await refused({}, bytes, signature(head));
  });

  test.each([
    ['the state of another place', encodeSnapshot(stateOf(2)).bytes],
    ['no state at all', utf8('{"v":2}')],
    ['no JSON', utf8('{')],
  ])('%s, even when it is signed', async (_, sent) => {
    const change = { snapshotHash: new Uint8Array(createHash('sha256').update(sent).digest()) };
    await refused(change, sent, signature(snapshotBytes({ ...statement, ...change })));
  });
});

test('equal states have equal bytes, and one with too many cut-offs is refused before it is encoded', () => {
  expect(encodeSnapshot(stateOf(3))).toEqual({ bytes, hash: snapshotHash });
  expect(() => encodeSnapshot(stateOf(cutsMax + 1))).toThrow('at most 200000 cut-offs');
});
