import { append } from '@mono-auth/audit';
import type { ClientId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import { checkManifest } from './check-manifest.ts';
import type { Client } from './client.ts';
import { approved } from './client-life.ts';
import { requireClient } from './require-client.ts';
import { claimResource } from './resources/claim-resource.ts';
import { updateClientLife } from './store.ts';

export interface ApproveClientInput {
  readonly id: ClientId;
  readonly manifestHash: string;
  readonly baseUrl: string;
}

/**
 * Puts exactly the manifest of this hash in force. What is approved is looked at once more: the tenant's ceilings and
 * resources may have changed since it was proposed.
 * @throws Refusal `not_found`; `stale_version` for another hash, or what was not submitted; as `checkManifest`.
 */
export async function approveClient(tx: TenantTx, call: Call, input: ApproveClientInput): Promise<Client> {
  const client = await requireClient(tx, input.id);
  if (client.proposed) await checkManifest(tx, call, client, client.proposed, input.baseUrl);
  return applyApproval(tx, call, client, input.manifestHash);
}

/** The approval itself, of a locked client or one that this transaction has made. */
export async function applyApproval(tx: TenantTx, call: Call, client: Client, hash: string): Promise<Client> {
  const after = approved(client, hash, call.caller.principal);
  if (after === client) return client;
  await claimResource(tx, after, call.runtime.nowMs());
  await updateClientLife(tx, after, call.runtime.nowMs());
  await append(tx, call, {
    type: 'client.approved',
    object: { kind: 'client', id: client.id },
    detail: { manifest_hash: hash, submitted_by: client.submittedBy ?? '' },
  });
  return after;
}
