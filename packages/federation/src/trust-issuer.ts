import { append } from '@mono-auth/audit';
import { Refusal } from '@mono-auth/core/errors';
import { newId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import { checkRepetition, type KeyedRequest, keyedRequest } from '@mono-auth/core/request-digest';
import { issuerOf } from '@mono-auth/core/tenant-slug';
import type { TenantTx } from '@mono-auth/database';
import { type BoundsInput, readBounds, requireClients } from './issuer-bounds.ts';
import { readIssuer, refuse } from './read-fields.ts';
import { insertIssuer, selectIssuerByIdempotencyKey } from './store/issuers.ts';
import type { TrustedIssuer } from './trusted-issuer.ts';

export interface TrustIssuerInput extends BoundsInput {
  readonly issuer: string;
  readonly multiTenant: boolean;
  readonly idempotencyKey: string | undefined;
}

/** What an installation is, as far as addresses depend on it. */
export interface Ground {
  readonly baseUrl: string;
  /** Whether neighbours on this machine may be named. */
  readonly allowLoopback: boolean;
}

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
  await requireClients(tx, issuer.clientIds);
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
  return {
    id: newId(call.runtime, 'gra'),
    issuer,
    status: 'trusted',
    ...readBounds(input, { allowLoopback, multiTenant: input.multiTenant }),
    multiTenant: input.multiTenant,
    version: 1,
    createdAtMs: call.runtime.nowMs(),
  };
}

async function findFirst(tx: TenantTx, request: KeyedRequest | undefined): Promise<TrustedIssuer | undefined> {
  const first = request && (await selectIssuerByIdempotencyKey(tx, request.key));
  if (!first) return undefined;
  checkRepetition(request, first.requestDigest, 'issuer', () => false);
  return first.issuer;
}
