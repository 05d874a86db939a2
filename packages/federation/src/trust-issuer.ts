import { append } from '@mono-auth/audit';
import { clientFields, findClient, readPublicJwks } from '@mono-auth/clients';
import { notFound, Refusal } from '@mono-auth/core/errors';
import { type ClientId, newId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import { checkRepetition, type KeyedRequest, keyedRequest } from '@mono-auth/core/request-digest';
import { issuerOf } from '@mono-auth/core/tenant-slug';
import type { TenantTx } from '@mono-auth/database';
import { readAddress, readIssuer, refuse } from './read-fields.ts';
import { insertIssuer, selectIssuerByIdempotencyKey } from './store/issuers.ts';
import type { AssertionPurpose, IssuerKeys, TrustedIssuer } from './trusted-issuer.ts';

export interface TrustIssuerInput {
  readonly issuer: string;
  readonly name: string;
  readonly purposes: readonly AssertionPurpose[];
  readonly jwks: unknown;
  readonly jwksUri: string | undefined;
  readonly clientIds: readonly ClientId[];
  readonly scopes: readonly string[];
  readonly audiences: readonly string[];
  /** 0: five minutes. */
  readonly assertionTtlSecondsMax: number;
  readonly oneTime: boolean;
  readonly multiTenant: boolean;
  readonly acrValues: readonly string[];
  readonly maxAgeSeconds: number;
  readonly idempotencyKey: string | undefined;
}

/** What an installation is, as far as addresses depend on it. */
export interface Ground {
  readonly baseUrl: string;
  /** Whether neighbours on this machine may be named. */
  readonly allowLoopback: boolean;
}

/** Bounds of an assertion's life, seconds: a clock's difference; a day, which platforms give workloads. */
const ttlSecondsMin = 30;
const ttlSecondsMost = 86_400;
/** ID-JAG §4.3 shows 300. */
const ttlSecondsDefault = 300;

/**
 * Trusts another issuer. A repeated idempotency key answers the first one as it is by now.
 * @throws Refusal `invalid_request` naming the field; `not_found` for a client that is not there; `already_exists` when the
 * issuer is trusted or suspended.
 */
export async function trustIssuer(
  tx: TenantTx,
  call: Call,
  input: TrustIssuerInput,
  ground: Ground,
): Promise<TrustedIssuer> {
  const issuer = readTrustedIssuer(call, input, ground);
  for (const id of issuer.clientIds) if (!(await findClient(tx, id))) throw notFound('client');
  const request = keyedRequest(input.idempotencyKey, {
    ...{ issuer: issuer.issuer, name: issuer.name, purposes: issuer.purposes, keys: JSON.stringify(issuer.keys) },
    ...{ clients: issuer.clientIds, scopes: issuer.scopes, audiences: issuer.audiences },
    ...{ ttl: issuer.assertionTtlSecondsMax, acr: issuer.acrValues, age: issuer.maxAgeSeconds },
    ...{ once: String(issuer.oneTime), tenants: String(issuer.multiTenant) },
  });
  const first = await findFirst(tx, request);
  if (first) return first;
  if (!(await insertIssuer(tx, issuer, request))) {
    // A parallel repetition was first; the insert has waited for it.
    const parallel = await findFirst(tx, request);
    if (parallel) return parallel;
    throw new Refusal('already_exists', 'issuer: is trusted already, or suspended');
  }
  await append(tx, call, {
    type: 'issuer.trusted',
    object: { kind: 'issuer', id: issuer.id },
    detail: { issuer: issuer.issuer, purposes: issuer.purposes.join(' '), scope: issuer.scopes.join(' ') },
  });
  return issuer;
}

function readTrustedIssuer(call: Call, input: TrustIssuerInput, { baseUrl, allowLoopback }: Ground): TrustedIssuer {
  const issuer = readIssuer(input.issuer, 'issuer', allowLoopback);
  // ID-JAG §5: no access token for what this very issuer has asserted.
  if (issuer === issuerOf(baseUrl, call.caller.tenantSlug)) throw refuse('issuer', 'is this tenant itself');
  // `sub` is a client of this tenant, whoever vouches for it: no name of another tenant is a part of it.
  if (input.multiTenant && input.purposes.includes('client_attestation')) {
    throw refuse('multi_tenant', 'not of an issuer that is trusted for client attestation');
  }
  const ttlSeconds = input.assertionTtlSecondsMax || ttlSecondsDefault;
  if (ttlSeconds < ttlSecondsMin || ttlSeconds > ttlSecondsMost) {
    throw refuse('assertion_ttl_seconds_max', `0, or ${ttlSecondsMin} to ${ttlSecondsMost} seconds`);
  }
  return {
    id: newId(call.runtime, 'gra'),
    issuer,
    name: clientFields.readName(input.name, 'name'),
    status: 'trusted',
    purposes: [...new Set(input.purposes)],
    keys: readKeys(input, allowLoopback),
    clientIds: [...new Set(input.clientIds)],
    scopes: clientFields.readScopes(input.scopes, 'scopes'),
    audiences: clientFields.readAudiences(input.audiences, 'audiences'),
    assertionTtlSecondsMax: ttlSeconds,
    oneTime: input.oneTime,
    multiTenant: input.multiTenant,
    acrValues: clientFields.readScopes(input.acrValues, 'acr_values'),
    maxAgeSeconds: input.maxAgeSeconds,
    createdAtMs: call.runtime.nowMs(),
  };
}

function readKeys({ jwks, jwksUri }: TrustIssuerInput, allowLoopback: boolean): IssuerKeys {
  if ((jwks === undefined) === (jwksUri === undefined)) throw refuse('jwks', 'either it or jwks_uri');
  if (jwksUri !== undefined) return { jwksUri: readAddress(jwksUri, 'jwks_uri', allowLoopback) };
  return { jwks: readPublicJwks(jwks, 'jwks') };
}

async function findFirst(tx: TenantTx, request: KeyedRequest | undefined): Promise<TrustedIssuer | undefined> {
  const first = request && (await selectIssuerByIdempotencyKey(tx, request.key));
  if (!first) return undefined;
  checkRepetition(request, first.requestDigest, 'issuer', () => false);
  return first.issuer;
}
