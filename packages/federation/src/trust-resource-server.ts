import { append } from '@mono-auth/audit';
import { clientFields, findClient } from '@mono-auth/clients';
import { notFound, Refusal } from '@mono-auth/core/errors';
import { type ClientId, newId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import { checkRepetition, type KeyedRequest, keyedRequest } from '@mono-auth/core/request-digest';
import { issuerOf } from '@mono-auth/core/tenant-slug';
import type { TenantTx } from '@mono-auth/database';
import { readIssuer, readSubject, refuse } from './read-fields.ts';
import type { AssertionProfile, ResourceServerTrust } from './resource-server-trust.ts';
import { insertResourceServer, selectResourceServerByIdempotencyKey } from './store/resource-servers.ts';
import type { Ground } from './trust-issuer.ts';

export interface TrustResourceServerInput {
  readonly issuer: string;
  readonly name: string;
  readonly clientId: ClientId;
  readonly remoteClientId: string;
  readonly profile: AssertionProfile;
  readonly resources: readonly string[];
  readonly scopes: readonly string[];
  readonly idempotencyKey: string | undefined;
}

/**
 * Lets a client take assertions about people to another authorization server. A repeated idempotency key answers the first.
 * @throws Refusal `invalid_request` naming the field; `not_found` for a client that is not there; `already_exists` when it
 * may go there already.
 */
export async function trustResourceServer(
  tx: TenantTx,
  call: Call,
  input: TrustResourceServerInput,
  { baseUrl, allowLoopback }: Ground,
): Promise<ResourceServerTrust> {
  const issuer = readIssuer(input.issuer, 'issuer', allowLoopback);
  // Within one domain a token is exchanged, and never asserted.
  if (issuer === issuerOf(baseUrl, call.caller.tenantSlug)) throw refuse('issuer', 'is this tenant itself');
  const trust: ResourceServerTrust = {
    id: newId(call.runtime, 'gra'),
    issuer,
    name: clientFields.readName(input.name, 'name'),
    clientId: input.clientId,
    remoteClientId: readSubject(input.remoteClientId, 'remote_client_id'),
    profile: input.profile,
    resources: clientFields.readAudiences(input.resources, 'resources'),
    scopes: clientFields.readScopes(input.scopes, 'scopes'),
    createdAtMs: call.runtime.nowMs(),
  };
  if (trust.profile === 'enterprise_managed' && trust.resources.length === 0) {
    throw refuse('resources', 'this profile has assertions for named resources alone');
  }
  if (!(await findClient(tx, trust.clientId))) throw notFound('client');
  const { name, clientId: client, remoteClientId: there, profile, resources, scopes } = trust;
  const request = keyedRequest(input.idempotencyKey, { issuer, name, client, there, profile, resources, scopes });
  const first = await findFirst(tx, request);
  if (first) return first;
  if (!(await insertResourceServer(tx, trust, request))) {
    const parallel = await findFirst(tx, request);
    if (parallel) return parallel;
    throw new Refusal('already_exists', 'issuer: the client may go there already');
  }
  await append(tx, call, {
    type: 'resource_server.trusted',
    object: { kind: 'resource_server', id: trust.id },
    detail: { issuer, client, profile, resources: resources.join(' '), scope: scopes.join(' ') },
  });
  return trust;
}

async function findFirst(tx: TenantTx, request: KeyedRequest | undefined): Promise<ResourceServerTrust | undefined> {
  const first = request && (await selectResourceServerByIdempotencyKey(tx, request.key));
  if (!first) return undefined;
  checkRepetition(request, first.requestDigest, 'resource server', () => false);
  return first.trust;
}
