import { append } from '@mono-auth/audit';
import type { ClientId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import type { Feed } from '@mono-auth/feed';
import type { Client } from './client.ts';
import { resumed } from './client-life.ts';
import { requireClient } from './require-client.ts';
import { updateClientLife } from './store.ts';

/**
 * Ends a suspension: tokens minted from here on count, what was revoked stays revoked.
 * @throws Refusal `not_found`; `pending_approval` before its first approval; `stale_version` when it is retired.
 */
export async function resumeClient(
  tx: TenantTx,
  call: Call,
  feed: Pick<Feed, 'append'>,
  id: ClientId,
): Promise<Client> {
  const client = await requireClient(tx, id);
  const after = resumed(client);
  if (after === client) return client;
  await updateClientLife(tx, after, call.runtime.nowMs());
  await append(tx, call, { type: 'client.resumed', object: { kind: 'client', id }, detail: {} });
  // Last: it holds the feed's head until the end of the transaction.
  await feed.append(tx, [{ kind: 'client', payload: { v: 1, id, state: 'active' } }]);
  return after;
}
