import { createHash } from 'node:crypto';
import { equalBytes, textOf, utf8 } from '@mono-auth/core/encoding';
import { Refusal } from '@mono-auth/core/errors';
import type { TenantId } from '@mono-auth/core/ids';
import { canonicalBytes, isCount } from './canonical-bytes.ts';
import { hashBytes } from './chain.ts';
import type { FeedPosition } from './cursor.ts';
import type { VerifySignature } from './head.ts';
import { RevocationState } from './revocation-state.ts';

/** Most cut-offs of a snapshot: more take a second to encode, which holds up everybody else. The feed is replayed then. */
export const cutsMax = 200_000;
/** Longest snapshot, bytes: a cut-off has 70 to 120, with the longest handle 325. */
export const snapshotBytesMax = 64 * 1024 * 1024;

/** What the tenant's feed key says: whoever has applied the feed up to here holds exactly this state. */
export interface SnapshotStatement {
  readonly tenantId: TenantId;
  readonly position: FeedPosition;
  /** SHA-256 of the snapshot's bytes. */
  readonly snapshotHash: Uint8Array;
}

declare const verified: unique symbol;
/** A state with the position that it stands for, signed as one. Only `verifySnapshot` makes one. */
export interface VerifiedSnapshot {
  readonly [verified]: true;
  readonly tenantId: TenantId;
  readonly position: FeedPosition;
  /** Its own: nobody else holds it. */
  readonly state: RevocationState;
}

/** The bytes of a snapshot and their hash. @throws Refusal `too_large` beyond `cutsMax`. */
export function encodeSnapshot(state: RevocationState): { bytes: Uint8Array<ArrayBuffer>; hash: Uint8Array } {
  if (state.cutCount > cutsMax) throw new Refusal('too_large', `a snapshot has at most ${cutsMax} cut-offs`);
  const bytes = utf8(JSON.stringify(state.toSnapshot()));
  return { bytes, hash: sha256(bytes) };
}

/** The bytes to sign for a snapshot. @throws TypeError on numbers that are not exact. */
export function snapshotBytes({ tenantId, position, snapshotHash }: SnapshotStatement): Uint8Array<ArrayBuffer> {
  const { incarnation, seq, hash } = position;
  return canonicalBytes('mono-auth/feed/snapshot/v1', [tenantId, incarnation, seq, hash, snapshotHash]);
}

/**
 * Opens a snapshot: nothing of it is parsed before its signature has been verified.
 * @throws Refusal `verification_failed` when a byte, the position or the tenant is another than the one that was signed, or
 * when the state is not one that this version understands.
 */
export async function verifySnapshot(
  statement: SnapshotStatement,
  bytes: Uint8Array,
  signature: Uint8Array,
  verify: VerifySignature,
): Promise<VerifiedSnapshot> {
  const { tenantId, position, snapshotHash } = statement;
  if (![position.incarnation, position.seq].every(isCount) || position.hash.length !== hashBytes) {
    throw unproven('malformed');
  }
  if (bytes.length > snapshotBytesMax) throw unproven('too long');
  if (!equalBytes(snapshotHash, sha256(bytes))) throw unproven('not the bytes that were signed');
  if (!(await verify(snapshotBytes(statement), signature))) throw unproven('false signature');
  const state = parse(bytes);
  if (state.seq !== position.seq) throw unproven('not the state of its position');
  return { tenantId, position, state } as VerifiedSnapshot;
}

function parse(bytes: Uint8Array): RevocationState {
  try {
    return RevocationState.fromSnapshot(JSON.parse(textOf(bytes)));
  } catch (cause) {
    throw unproven('not understood', cause);
  }
}

function unproven(why: string, cause?: unknown): Refusal {
  return new Refusal('verification_failed', `feed snapshot: ${why}`, { cause });
}

function sha256(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(createHash('sha256').update(bytes).digest());
}
