import { append } from '@mono-auth/audit';
import { notFound, Refusal } from '@mono-auth/core/errors';
import type { Call } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import { lockResource, updateResourceRow } from '../store/resources.ts';
import type { Resource } from './resource.ts';

/**
 * Nothing is issued for the resource any more, and its identifier is never free again.
 * @throws Refusal `not_found`; `invalid_request` when it is a client: the client is retired, and this with it.
 */
export async function retireResource(tx: TenantTx, call: Call, identifier: string): Promise<Resource> {
  const resource = await lockResource(tx, identifier);
  if (!resource) throw notFound('resource');
  if (resource.retired) return resource;
  if (resource.clientId) throw new Refusal('invalid_request', 'identifier: is of a client; retire the client');
  const after = { ...resource, retired: true, isDefault: false, version: resource.version + 1 };
  await updateResourceRow(tx, after);
  await append(tx, call, { type: 'resource.retired', object: { kind: 'resource', id: identifier }, detail: {} });
  return after;
}
