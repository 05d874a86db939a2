import { type GrantId, newId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import type { Feed } from '@mono-auth/feed';

/**
 * Ends every token that carries the handle in `grants`. It holds the feed's head, so it comes after every row.
 * @returns what the evidence says of it.
 */
export async function endByFeed(
  feed: Pick<Feed, 'append'>,
  tx: TenantTx,
  call: Call,
  handle: GrantId,
  reason: string,
): Promise<{ revocation: string; feed_seq: number }> {
  const revocation = newId(call.runtime, 'rev');
  const payload = { v: 1, id: revocation, target: { kind: 'grant', id: handle }, reason } as const;
  return { revocation, feed_seq: await feed.append(tx, [{ kind: 'revocation', payload }]) };
}
