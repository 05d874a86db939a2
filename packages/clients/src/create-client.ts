import { isDeepStrictEqual } from 'node:util';
import { append } from '@mono-auth/audit';
import { Refusal } from '@mono-auth/core/errors';
import { newId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import type { Client, ClientKind } from './client.ts';
import { readAudiences, readName, readResourceUri, readScopes } from './client-fields.ts';
import { keyedManifest } from './manifest.ts';
import { readPublicJwks } from './public-jwks.ts';
import { insertClient, selectClientByIdempotencyKey } from './store.ts';

export interface CreateClientInput {
  readonly kind: 'machine' | 'service';
  readonly name: string;
  readonly scopes: readonly string[];
  readonly audiences: readonly string[];
  /** Only for a service. */
  readonly resource?: string | undefined;
  readonly jwks: unknown;
  readonly idempotencyKey?: string | undefined;
  /** Of the installation: resources below its tenants belong to us. */
  readonly baseUrl: string;
}

/**
 * Makes a client that authenticates by private_key_jwt; a repeated idempotency key answers the first one.
 * @throws Refusal `invalid_request` naming the field, the key as well when it was used for another client;
 * `already_exists` when the name or the resource is taken.
 */
export async function createClient(tx: TenantTx, call: Call, input: CreateClientInput): Promise<Client> {
  const resource = readResource(input);
  const client = newClient(call, input.kind, input, { resource, jwks: readPublicJwks(input.jwks, 'jwks') });
  if (!(await insertClient(tx, client, input.idempotencyKey || undefined))) {
    // A repetition; of a parallel one the insert has waited for the first.
    const first = input.idempotencyKey ? await selectClientByIdempotencyKey(tx, input.idempotencyKey) : undefined;
    if (first && isSameRequest(first, client)) return first;
    if (first) throw new Refusal('invalid_request', 'idempotency_key: was used for another client');
    throw new Refusal('already_exists', 'a client of this name or for this resource exists');
  }
  await append(tx, call, {
    type: 'client.created',
    object: { kind: 'client', id: client.id },
    detail: { kind: client.kind, name: client.name, ...(resource !== undefined && { resource }) },
  });
  return client;
}

function isSameRequest(first: Client, asked: Client): boolean {
  // Deeply, because the order of a stored key's members is not the one that it came with.
  const wanted = ({ kind, name, scopes, audiences, resource, jwks }: Client) =>
    Object.values({ kind, name, scopes, audiences, resource, jwks });
  return isDeepStrictEqual(wanted(first), wanted(asked));
}

/** A client that is not stored yet, its fields checked. */
export function newClient(
  call: Call,
  kind: ClientKind,
  input: { readonly name: string; readonly scopes: readonly string[]; readonly audiences: readonly string[] },
  rest: Partial<Pick<Client, 'resource' | 'hostId'>> & Pick<Client, 'jwks'>,
): Client {
  const name = readName(input.name, 'name');
  const manifest = keyedManifest({
    scopes: readScopes(input.scopes, 'scopes'),
    audiences: readAudiences(input.audiences, 'audiences'),
    jwks: rest.jwks,
  });
  return {
    id: newId(call.runtime, 'cli'),
    kind,
    name,
    status: 'approved',
    environment: 'production',
    product: '',
    ownerUserId: undefined,
    source: 'operator',
    externalId: undefined,
    manifest,
    proposed: undefined,
    proposedSubmitted: false,
    version: 1,
    scopes: manifest.scopes,
    audiences: manifest.audiences,
    resource: rest.resource,
    jwks: rest.jwks,
    hostId: rest.hostId,
    createdAtMs: call.runtime.nowMs(),
  };
}

/** A service names the audience that it is. None may pass for an issuer of ours, or for what stands below one. */
function readResource({ kind, resource, baseUrl }: CreateClientInput): string | undefined {
  if (kind !== 'service') {
    if (resource) throw new Refusal('invalid_request', 'resource: only a service is one');
    return undefined;
  }
  const uri = readResourceUri(resource ?? '', 'resource');
  if (new URL(uri).href.startsWith(`${new URL(baseUrl).href.replace(/\/$/, '')}/t/`)) {
    throw new Refusal('invalid_request', 'resource: belongs to the issuer of a tenant');
  }
  return uri;
}
