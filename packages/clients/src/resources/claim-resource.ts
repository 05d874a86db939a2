import { Refusal } from '@mono-auth/core/errors';
import type { TenantTx } from '@mono-auth/database';
import type { Client } from '../client.ts';
import { readResourceUri } from '../client-fields.ts';
import { insertResource, lockResource, selectResource, updateResourceRow } from '../store/resources.ts';
import type { Resource } from './resource.ts';

/**
 * Checks the audience that a service says it is: an identifier of its own, or a resource that was registered before and
 * that no client is yet.
 * @throws Refusal `invalid_request`; `already_exists` when it is another's.
 */
export async function readOwnResource(tx: TenantTx, client: Client, baseUrl: string): Promise<void> {
  if (client.resource === undefined) return;
  readForeignUri(client.resource, 'resource', baseUrl);
  const registered = await selectResource(tx, client.resource);
  if (registered && !mayBe(registered, client)) throw taken();
}

/** A resource of the tenant's own. None may pass for an issuer of ours, or for what stands below one. */
export function readForeignUri(identifier: string, field: string, baseUrl: string): string {
  const uri = readResourceUri(identifier, field);
  if (new URL(uri).href.startsWith(`${new URL(baseUrl).href.replace(/\/$/, '')}/t/`)) {
    throw new Refusal('invalid_request', `${field}: belongs to the issuer of a tenant`);
  }
  return uri;
}

/** A service that is approved becomes the audience that it names. @throws Refusal `already_exists`. */
export async function claimResource(tx: TenantTx, client: Client, nowMs: number): Promise<void> {
  if (client.resource === undefined) return;
  const registered = await lockResource(tx, client.resource);
  if (registered) {
    if (!mayBe(registered, client)) throw taken();
    if (registered.clientId === undefined) {
      await updateResourceRow(tx, { ...registered, clientId: client.id, version: registered.version + 1 });
    }
    return;
  }
  const resource: Resource = {
    identifier: client.resource,
    name: client.name,
    environment: client.environment,
    product: client.product,
    scopes: [],
    accessTokenTtlSeconds: 0,
    dpopRequired: false,
    isDefault: false,
    clientId: client.id,
    retired: false,
    version: 1,
    createdAtMs: nowMs,
  };
  if (!(await insertResource(tx, resource, undefined))) throw taken();
}

function mayBe(resource: Resource, client: Client): boolean {
  const { clientId, environment, retired } = resource;
  return !retired && environment === client.environment && (clientId === undefined || clientId === client.id);
}

function taken(): Refusal {
  return new Refusal('already_exists', 'resource: is taken');
}
