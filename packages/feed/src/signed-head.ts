import type { TenantId } from '@mono-auth/core/ids';
import type { Runtime } from '@mono-auth/core/runtime';
import { type cursor, head } from '@mono-auth/feed-engine';
import type { Signer } from '@mono-auth/keys';

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
