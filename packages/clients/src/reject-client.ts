import { append } from '@mono-auth/audit';
import type { ClientId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import type { Client } from './client.ts';
import { rejected } from './client-life.ts';
import { manifestHash } from './manifest-hash.ts';
import { requireClient } from './require-client.ts';
import { updateClientLife } from './store.ts';

/** Sends what was submitted back. @throws Refusal `not_found`; `stale_version` when nothing is proposed. */
export async function rejectClient(
  tx: TenantTx,
  call: Call,
  input: { readonly id: ClientId; readonly reason: string },
): Promise<Client> {
  const client = await requireClient(tx, input.id);
  const after = rejected(client);
  if (after === client) return client;
  await updateClientLife(tx, after, call.runtime.nowMs());
  await append(tx, call, {
    type: 'client.rejected',
    object: { kind: 'client', id: client.id },
    detail: {
      reason: input.reason,
      manifest_hash: after.proposed ? manifestHash(after.proposed) : '',
      submitted_by: client.submittedBy ?? '',
    },
  });
  return after;
}
