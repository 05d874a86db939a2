import type { TenantId } from '@mono-auth/core/ids';
import type { Runtime } from '@mono-auth/core/runtime';
import { type cursor, head, snapshot } from '@mono-auth/feed-engine';
import type { Signer } from '@mono-auth/keys';
import type { Snapshot } from './take-snapshot.ts';

/** What a subscriber can verify with the tenant's feed key. */
export interface SignedHead extends head.HeadStatement {
  readonly kid: string;
  readonly signature: Uint8Array;
}

/** Signs, now, that the feed holds at least this much. With a nonce it is an answer to one subscriber. */
export async function signHead(
  signer: Signer,
  runtime: Runtime,
  tenantId: TenantId,
  position: cursor.FeedPosition,
  nonce = '',
): Promise<SignedHead> {
  const { incarnation, seq, hash } = position;
  const statement = { tenantId, incarnation, seq, headHash: hash, issuedAtMs: runtime.nowMs(), nonce };
  return { ...statement, kid: signer.kid, signature: await signer.sign(head.headBytes(statement)) };
}

/** Signs, with one key, the head at the snapshot's position and that its bytes are the state of that position. */
export async function signSnapshot(
  signer: Signer,
  runtime: Runtime,
  tenantId: TenantId,
  { position, hash: snapshotHash }: Snapshot,
): Promise<{ head: SignedHead; signature: Uint8Array }> {
  const signature = await signer.sign(snapshot.snapshotBytes({ tenantId, position, snapshotHash }));
  return { head: await signHead(signer, runtime, tenantId, position), signature };
}
