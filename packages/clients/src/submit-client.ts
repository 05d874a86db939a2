import { append } from '@mono-auth/audit';
import type { ClientId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import type { Client } from './client.ts';
import { submitted } from './client-life.ts';
import { manifestHash } from './manifest-hash.ts';
import { requireClient } from './require-client.ts';
import { updateClientLife } from './store.ts';

/**
 * Asks for the approval of what is proposed.
 * @throws Refusal `not_found`; `stale_version` when nothing, or another manifest than `proposedHash`, is proposed.
 */
export async function submitClient(
  tx: TenantTx,
  call: Call,
  input: { readonly id: ClientId; readonly proposedHash: string | undefined },
): Promise<Client> {
  const client = await requireClient(tx, input.id);
  const after = submitted(client, input.proposedHash, call.caller.principal);
  if (after === client) return client;
  await updateClientLife(tx, after, call.runtime.nowMs());
  await append(tx, call, {
    type: 'client.submitted',
    object: { kind: 'client', id: client.id },
    detail: { manifest_hash: after.proposed ? manifestHash(after.proposed) : '' },
  });
  return after;
}
