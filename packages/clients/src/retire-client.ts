import { notFound } from '@mono-auth/core/errors';
import type { ClientId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import { type RevocationDeps, revoke } from '@mono-auth/revocation';
import type { Client } from './client.ts';
import { selectClient } from './store.ts';

/**
 * Ends a client for good, with its tokens, grants and secrets: a revocation of it, in one transaction with its evidence. One
 * that is retired stays as it is.
 * @throws Refusal `not_found`; `invalid_request` for the client of a host.
 */
export async function retireClient(
  deps: RevocationDeps,
  call: Call,
  input: { readonly id: ClientId; readonly reason: string },
): Promise<Client> {
  const read = async () => {
    const client = await deps.database.forTenant(call.caller.tenantId, (tx) => selectClient(tx, input.id));
    if (!client) throw notFound('client');
    return client;
  };
  const before = await read();
  if (before.status === 'retired') return before;
  const target = { kind: 'client', id: input.id } as const;
  await revoke(deps, call, { target, reason: input.reason || 'the client was retired', waitMs: 0 });
  return read();
}
