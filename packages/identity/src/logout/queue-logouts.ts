import { newId, type SessionId, type UserId } from '@mono-auth/core/ids';
import type { Runtime } from '@mono-auth/core/runtime';
import type { TenantTx } from '@mono-auth/database';
import { insertDelivery, takeSessionClients } from './store.ts';

/**
 * Puts a logout token on its way to every client that the session was used for and that wants one, in the transaction that
 * ends the session (OpenID Connect Back-Channel Logout 1.0 §2.5).
 * @returns how many.
 */
export async function queueLogouts(
  tx: TenantTx,
  runtime: Runtime,
  of: { readonly sessionId?: SessionId; readonly userId?: UserId },
): Promise<number> {
  const clients = await takeSessionClients(tx, of);
  for (const client of clients) await insertDelivery(tx, newId(runtime, 'req'), client, runtime.nowMs());
  return clients.length;
}
