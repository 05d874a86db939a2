import { append } from '@mono-auth/audit';
import { type ClientId, type GrantId, newId, type UserId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import type { Feed } from '@mono-auth/feed';
import { endGrants } from './store/grants.ts';

/** Why a grant is ended without an order to revoke it. */
export type EndReason =
  | 'refresh token was used again'
  | 'authorization code was used again'
  | 'consent was withdrawn'
  | 'revoked by its client';

/** One grant, or all of a person with one client. */
export type Ending = { readonly id: GrantId } | { readonly userId: UserId; readonly clientId: ClientId };

/** Entries that the feed takes at once. */
const entriesAtOnce = 100;

/**
 * Ends grants for good: their refresh tokens, and by the feed every access token made from them. Rows, feed and evidence are
 * one transaction. Of parallel callers one does it, the others find it done. Asks for the feed's head last.
 * @returns how many were living until now.
 */
export async function endGrant(
  feed: Pick<Feed, 'append'>,
  tx: TenantTx,
  call: Call,
  ending: Ending,
  reason: EndReason,
): Promise<number> {
  const ended = (await endGrants(tx, ending, call.runtime.nowMs())).map((id) => ({
    id,
    revocation: newId(call.runtime, 'rev'),
  }));
  for (let start = 0; start < ended.length; start += entriesAtOnce) {
    const batch = ended.slice(start, start + entriesAtOnce);
    const entries = batch.map(({ id, revocation }) => {
      const payload = { v: 1, id: revocation, target: { kind: 'grant', id }, reason } as const;
      return { kind: 'revocation', payload } as const;
    });
    const feedSeq = await feed.append(tx, entries);
    for (const { id, revocation } of batch) {
      const detail = { revocation, feed_seq: feedSeq, reason };
      await append(tx, call, { type: 'grant.ended', object: { kind: 'grant', id }, detail });
    }
  }
  return ended.length;
}
