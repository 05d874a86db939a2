import { clientFields, findClient, readPublicJwks } from '@mono-auth/clients';
import { notFound } from '@mono-auth/core/errors';
import type { ClientId } from '@mono-auth/core/ids';
import type { TenantTx } from '@mono-auth/database';
import { readAddress, refuse } from './read-fields.ts';
import type { AssertionPurpose, IssuerKeys, TrustedIssuer } from './trusted-issuer.ts';

/** What an issuer is trusted for and how far: all that an update replaces. */
export type IssuerBounds = Omit<TrustedIssuer, 'id' | 'issuer' | 'status' | 'multiTenant' | 'version' | 'createdAtMs'>;

/** The same as somebody asks for it. */
export interface BoundsInput {
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
  readonly acrValues: readonly string[];
  readonly maxAgeSeconds: number;
}

/** Bounds of an assertion's life, seconds: a clock's difference; a day, which platforms give workloads. */
const ttlSecondsMin = 30;
const ttlSecondsMost = 86_400;
/** ID-JAG §4.3 shows 300. */
const ttlSecondsDefault = 300;

/** @throws Refusal `invalid_request` naming the field. */
export function readBounds(
  input: BoundsInput,
  { allowLoopback, multiTenant }: { readonly allowLoopback: boolean; readonly multiTenant: boolean },
): IssuerBounds {
  // `sub` is a client of this tenant, whoever vouches for it: no name of another tenant is a part of it.
  if (multiTenant && input.purposes.includes('client_attestation')) {
    throw refuse('multi_tenant', 'not of an issuer that is trusted for client attestation');
  }
  const ttlSeconds = input.assertionTtlSecondsMax || ttlSecondsDefault;
  if (ttlSeconds < ttlSecondsMin || ttlSeconds > ttlSecondsMost) {
    throw refuse('assertion_ttl_seconds_max', `0, or ${ttlSecondsMin} to ${ttlSecondsMost} seconds`);
  }
  return {
    name: clientFields.readName(input.name, 'name'),
    purposes: [...new Set(input.purposes)],
    keys: readKeys(input, allowLoopback),
    clientIds: [...new Set(input.clientIds)],
    scopes: clientFields.readScopes(input.scopes, 'scopes'),
    audiences: clientFields.readAudiences(input.audiences, 'audiences'),
    assertionTtlSecondsMax: ttlSeconds,
    oneTime: input.oneTime,
    acrValues: clientFields.readScopes(input.acrValues, 'acr_values'),
    maxAgeSeconds: input.maxAgeSeconds,
  };
}

function readKeys({ jwks, jwksUri }: BoundsInput, allowLoopback: boolean): IssuerKeys {
  if ((jwks === undefined) === (jwksUri === undefined)) throw refuse('jwks', 'either it or jwks_uri');
  if (jwksUri !== undefined) return { jwksUri: readAddress(jwksUri, 'jwks_uri', allowLoopback) };
  return { jwks: readPublicJwks(jwks, 'jwks') };
}

/** @throws Refusal `not_found`. */
export async function requireClients(tx: TenantTx, ids: readonly ClientId[]): Promise<void> {
  for (const id of ids) if (!(await findClient(tx, id))) throw notFound('client');
}

/** The fields by which a change takes something away: what would not be granted any more, or to fewer, or by fewer keys. */
export function narrowedFields(before: IssuerBounds, after: IssuerBounds): string[] {
  const lost: Record<string, boolean> = {
    purposes: misses(before.purposes, after.purposes),
    keys: keysAreLost(before.keys, after.keys),
    client_ids: listNarrows(before.clientIds, after.clientIds),
    scopes: misses(before.scopes, after.scopes),
    audiences: misses(before.audiences, after.audiences),
    assertion_ttl_seconds_max: after.assertionTtlSecondsMax < before.assertionTtlSecondsMax,
    one_time: after.oneTime && !before.oneTime,
    acr_values: listNarrows(before.acrValues, after.acrValues),
    max_age_seconds:
      after.maxAgeSeconds !== 0 && (before.maxAgeSeconds === 0 || after.maxAgeSeconds < before.maxAgeSeconds),
  };
  return Object.keys(lost).filter((field) => lost[field]);
}

const misses = (before: readonly string[], after: readonly string[]): boolean =>
  before.some((item) => !after.includes(item));

/** Of lists that, when they are empty, let everybody in. */
const listNarrows = (before: readonly string[], after: readonly string[]): boolean =>
  after.length > 0 && (before.length === 0 || misses(before, after));

/** Whether a key that counted may count no more: what is published elsewhere is not known to be the same. */
function keysAreLost(before: IssuerKeys, after: IssuerKeys): boolean {
  if ('jwks' in before && 'jwks' in after) return misses(keyNames(before.jwks), keyNames(after.jwks));
  return !('jwksUri' in before && 'jwksUri' in after && before.jwksUri === after.jwksUri);
}

/** Keys by their members, whatever their order. */
function keyNames({ keys }: { readonly keys: readonly object[] }): string[] {
  return keys.map((key) => JSON.stringify(Object.entries(key).sort(([a], [b]) => (a < b ? -1 : 1))));
}
