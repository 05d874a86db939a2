import { append } from '@mono-auth/audit';
import { type ClientId, newId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import type { Feed } from '@mono-auth/feed';
import type { Client } from './client.ts';
import { suspended } from './client-life.ts';
import { requireClient } from './require-client.ts';
import { updateClientLife } from './store.ts';

/**
 * Nothing is issued to the client until it is resumed, and what it holds is revoked: one transaction with its evidence.
 * @throws Refusal `not_found`; `pending_approval` before its first approval; `stale_version` when it is retired.
 */
export async function suspendClient(
  tx: TenantTx,
  call: Call,
  feed: Pick<Feed, 'append'>,
  input: { readonly id: ClientId; readonly reason: string },
): Promise<Client> {
  const client = await requireClient(tx, input.id);
  const after = suspended(client);
  if (after === client) return client;
  await updateClientLife(tx, after, call.runtime.nowMs());
  await append(tx, call, {
    type: 'client.suspended',
    object: { kind: 'client', id: client.id },
    detail: { reason: input.reason },
  });
  const target = { kind: 'client', id: client.id } as const;
  const reason = `suspended: ${input.reason}`.slice(0, feedReasonCharsMax);
  // Last: it holds the feed's head until the end of the transaction.
  await feed.append(tx, [
    { kind: 'client', payload: { v: 1, id: client.id, state: 'suspended' } },
    { kind: 'revocation', payload: { v: 1, id: newId(call.runtime, 'rev'), target, reason } },
  ]);
  return after;
}

/** As long as the feed allows. */
const feedReasonCharsMax = 500;
