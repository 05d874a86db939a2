import { type GrantId, newId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import type { Feed } from '@mono-auth/feed';

/** As long as the feed allows. */
const feedReasonCharsMax = 500;

/**
 * Ends every token that names the handle in `grants`, in the caller's transaction. It comes last: it holds the feed's head
 * until the transaction ends. What is minted afterwards has seen this entry and lives.
 */
export async function cutOff(
  feed: Pick<Feed, 'append'>,
  tx: TenantTx,
  call: Call,
  id: GrantId,
  reason: string,
): Promise<void> {
  const target = { kind: 'grant', id } as const;
  const payload = {
    v: 1,
    id: newId(call.runtime, 'rev'),
    target,
    reason: reason.slice(0, feedReasonCharsMax),
  } as const;
  await feed.append(tx, [{ kind: 'revocation', payload }]);
}
