import { append } from '@mono-auth/audit';
import { Refusal } from '@mono-auth/core/errors';
import type { Call } from '@mono-auth/core/principal';
import { checkRepetition, type KeyedRequest, keyedRequest } from '@mono-auth/core/request-digest';
import type { TenantTx } from '@mono-auth/database';
import { readName, readScopes } from '../client-fields.ts';
import type { Environment } from '../manifest.ts';
import { insertResource, isResourceOfClient, selectResourceByIdempotencyKey } from '../store/resources.ts';
import { readForeignUri } from './claim-resource.ts';
import { takeDefault } from './default-resource.ts';
import type { Resource } from './resource.ts';

export interface CreateResourceInput {
  readonly identifier: string;
  readonly name: string;
  readonly environment: Environment;
  readonly product: string;
  readonly scopes: readonly string[];
  readonly accessTokenTtlSeconds: number;
  readonly dpopRequired: boolean;
  readonly isDefault: boolean;
  readonly idempotencyKey: string | undefined;
  readonly baseUrl: string;
}

/**
 * Registers an API that tokens can be made for; a repeated idempotency key answers the first one as it is by now. A new
 * default takes the place of the one before.
 * @throws Refusal `invalid_request` naming the field, the key as well when it was used for another resource;
 * `already_exists` when the identifier was ever used.
 */
export async function createResource(tx: TenantTx, call: Call, input: CreateResourceInput): Promise<Resource> {
  const { idempotencyKey, baseUrl, ...asked } = input;
  const resource: Resource = {
    ...asked,
    identifier: readForeignUri(input.identifier, 'identifier', baseUrl),
    name: readName(input.name, 'name'),
    scopes: readScopes(input.scopes, 'scopes'),
    clientId: undefined,
    retired: false,
    version: 1,
    createdAtMs: call.runtime.nowMs(),
  };
  const request = keyedRequest(idempotencyKey, {
    ...{ identifier: resource.identifier, name: resource.name, environment: resource.environment },
    ...{ product: resource.product, scopes: resource.scopes, ttl: resource.accessTokenTtlSeconds },
    dpop: String(resource.dpopRequired),
    default: String(resource.isDefault),
  });
  const first = await findFirst(tx, request);
  if (first) return first;
  if (await isResourceOfClient(tx, resource.identifier)) throw taken();
  if (resource.isDefault) await takeDefault(tx, call, resource);
  if (!(await insertResource(tx, resource, request))) {
    // A parallel repetition was first; the insert has waited for it.
    const parallel = await findFirst(tx, request);
    if (parallel) return parallel;
    throw taken();
  }
  await append(tx, call, {
    type: 'resource.created',
    object: { kind: 'resource', id: resource.identifier },
    detail: { name: resource.name, environment: resource.environment, default: resource.isDefault },
  });
  return resource;
}

async function findFirst(tx: TenantTx, request: KeyedRequest | undefined): Promise<Resource | undefined> {
  const first = request && (await selectResourceByIdempotencyKey(tx, request.key));
  if (!first) return undefined;
  checkRepetition(request, first.requestDigest, 'resource', () => false);
  return first.resource;
}

function taken(): Refusal {
  return new Refusal('already_exists', 'identifier: is taken');
}
