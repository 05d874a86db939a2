import { append } from '@mono-auth/audit';
import { notFound, Refusal } from '@mono-auth/core/errors';
import type { Call } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import { readName, readScopes } from '../client-fields.ts';
import { canonicalJson } from '../manifest-hash.ts';
import { lockDefault, lockResource, selectResource, updateResourceRow } from '../store/resources.ts';
import { takeDefault } from './default-resource.ts';
import type { Resource } from './resource.ts';

export interface UpdateResourceInput
  extends Pick<Resource, 'identifier' | 'version' | 'name' | 'accessTokenTtlSeconds' | 'dpopRequired' | 'isDefault'> {
  readonly scopes: readonly string[];
}

/**
 * Changes what is issued for a resource from now on. A repetition of the last change changes nothing.
 * @throws Refusal `not_found`; `invalid_request` naming the field; `stale_version` when it has changed since `version`, or is
 * retired.
 */
export async function updateResource(tx: TenantTx, call: Call, input: UpdateResourceInput): Promise<Resource> {
  const name = readName(input.name, 'name');
  const scopes = readScopes(input.scopes, 'scopes');
  // The place of the default before any row, as whoever creates one does: two who wait for each other would both fail.
  const known = input.isDefault ? await selectResource(tx, input.identifier) : undefined;
  if (known) await lockDefault(tx, known.environment);
  const resource = await lockResource(tx, input.identifier);
  if (!resource) throw notFound('resource');
  if (resource.retired) throw new Refusal('stale_version', 'the resource is retired');
  const { accessTokenTtlSeconds, dpopRequired, isDefault } = input;
  const after: Resource = {
    ...resource,
    ...{ name, scopes, accessTokenTtlSeconds, dpopRequired, isDefault },
    version: input.version + 1,
  };
  if (canonicalJson(after) === canonicalJson(resource)) return resource;
  if (resource.version !== input.version) {
    throw new Refusal('stale_version', `version: is ${resource.version} by now`);
  }
  if (isDefault) await takeDefault(tx, call, after);
  await updateResourceRow(tx, after);
  await append(tx, call, {
    type: 'resource.updated',
    object: { kind: 'resource', id: resource.identifier },
    detail: { version: after.version, default: isDefault },
  });
  return after;
}
