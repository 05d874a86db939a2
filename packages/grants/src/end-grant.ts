import { append } from '@mono-auth/audit';
import type { GrantId } from '@mono-auth/core/ids';
import { newId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import type { Feed } from '@mono-auth/feed';
import { endGrants } from './store/grants.ts';

/** Why a grant is ended by ourselves: a credential of it was shown twice. */
export type EndReason = 'refresh token was used again' | 'authorization code was used again';

/**
 * Ends a grant for good: its refresh tokens, and by the feed every access token made from it. Row, feed and evidence are
 * one transaction. Of parallel callers one does it, the others find it done. Asks for the feed's head last.
 * @returns whether it was living until now.
 */
export async function endGrant(
  feed: Pick<Feed, 'append'>,
  tx: TenantTx,
  call: Call,
  id: GrantId,
  reason: EndReason,
): Promise<boolean> {
  if ((await endGrants(tx, { id }, call.runtime.nowMs())) === 0) return false;
  const revocation = newId(call.runtime, 'rev');
  const payload = { v: 1, id: revocation, target: { kind: 'grant', id }, reason } as const;
  const feedSeq = await feed.append(tx, [{ kind: 'revocation', payload }]);
  await append(tx, call, {
    type: 'grant.ended',
    object: { kind: 'grant', id },
    detail: { revocation, feed_seq: feedSeq, reason },
  });
  return true;
}
