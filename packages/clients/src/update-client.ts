import { append } from '@mono-auth/audit';
import type { ClientId, UserId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import { checkManifest } from './check-manifest.ts';
import type { Client } from './client.ts';
import { submitted, updated } from './client-life.ts';
import type { Manifest } from './manifest.ts';
import { manifestHash } from './manifest-hash.ts';
import { type ManifestInput, readManifest } from './read-manifest.ts';
import { requireClient, requireOwner } from './require-client.ts';
import { updateClientLife } from './store.ts';

export interface UpdateClientInput {
  readonly id: ClientId;
  readonly version: number;
  /** The whole manifest as it should be. */
  readonly manifest: ManifestInput;
  /** Submits what is proposed as well. */
  readonly submit: boolean;
  /** Undefined: unchanged. */
  readonly ownerUserId: UserId | undefined;
  readonly baseUrl: string;
}

/**
 * Changes the manifest: what narrows it applies at once, what widens it waits for an approval.
 * @throws Refusal `not_found` (client, user); `stale_version` when the client has changed since `version`; as `readManifest`
 * and `checkManifest`.
 */
export async function updateClient(tx: TenantTx, call: Call, input: UpdateClientInput): Promise<Client> {
  const client = await requireClient(tx, input.id);
  const manifest = readManifest(input.manifest, client, 'manifest.');
  if (isRepetition(client, input, manifest)) return client;
  const named = input.ownerUserId === undefined ? undefined : await requireOwner(tx, call, input.ownerUserId);
  const changed = updated(client, { version: input.version, manifest, ownerUserId: named });
  await checkManifest(tx, call, client, manifest, input.baseUrl);
  const asks = input.submit && changed.proposed !== undefined;
  const after = asks ? { ...submitted(changed, undefined, call.caller.principal), version: changed.version } : changed;
  await updateClientLife(tx, after, call.runtime.nowMs());
  await append(tx, call, {
    type: 'client.updated',
    object: { kind: 'client', id: client.id },
    detail: {
      version: after.version,
      submitted: after.proposedSubmitted,
      ...(after.manifest && { manifest_hash: manifestHash(after.manifest) }),
      ...(after.proposed && { proposed_hash: manifestHash(after.proposed) }),
      ...(named !== undefined && { owner: named }),
    },
  });
  return after;
}

/** The same change once more, its answer lost on the way: the client is one version on, and as it was asked to be. */
function isRepetition(client: Client, input: UpdateClientInput, asked: Manifest): boolean {
  const wanted = client.proposed ?? client.manifest;
  return (
    client.status !== 'retired' &&
    client.version === input.version + 1 &&
    wanted !== undefined &&
    manifestHash(wanted) === manifestHash(asked) &&
    (client.proposed === undefined || client.proposedSubmitted === input.submit) &&
    (input.ownerUserId === undefined || input.ownerUserId === client.ownerUserId)
  );
}
