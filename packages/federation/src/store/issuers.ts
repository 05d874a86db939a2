import type { PublicJwks } from '@mono-auth/clients';
import { type GrantId, idFromUuid, uuidOf } from '@mono-auth/core/ids';
import type { KeyedRequest } from '@mono-auth/core/request-digest';
import { Json, type TenantTx } from '@mono-auth/database';
import type { AssertionPurpose, IssuerStatus, TrustedIssuer } from '../trusted-issuer.ts';

interface IssuerRow {
  id: string;
  issuer: string;
  name: string;
  status: IssuerStatus;
  purposes: AssertionPurpose[];
  jwks: PublicJwks | null;
  jwks_uri: string | null;
  client_ids: string[];
  scopes: string[];
  audiences: string[];
  assertion_ttl_seconds_max: number;
  one_time: boolean;
  multi_tenant: boolean;
  acr_values: string[];
  max_age_seconds: number;
  version: number;
  created_at: Date;
}

function issuerOf(row: IssuerRow): TrustedIssuer {
  return {
    id: idFromUuid('gra', row.id),
    issuer: row.issuer,
    name: row.name,
    status: row.status,
    purposes: row.purposes,
    keys: row.jwks ? { jwks: row.jwks } : { jwksUri: row.jwks_uri ?? '' },
    clientIds: row.client_ids.map((id) => idFromUuid('cli', id)),
    scopes: row.scopes,
    audiences: row.audiences,
    assertionTtlSecondsMax: row.assertion_ttl_seconds_max,
    oneTime: row.one_time,
    multiTenant: row.multi_tenant,
    acrValues: row.acr_values,
    maxAgeSeconds: row.max_age_seconds,
    version: row.version,
    createdAtMs: row.created_at.getTime(),
  };
}

/** Answers false when the issuer is trusted already, or the idempotency key taken. */
export async function insertIssuer(
  tx: TenantTx,
  issuer: TrustedIssuer,
  request: KeyedRequest | undefined,
): Promise<boolean> {
  const { keys } = issuer;
  const rows = await tx.sql<{ id: string }>`
    insert into mono.trusted_issuers (tenant_id, id, issuer, name, status, purposes, jwks, jwks_uri, client_ids, scopes,
      audiences, assertion_ttl_seconds_max, one_time, multi_tenant, acr_values, max_age_seconds, idempotency_key,
      request_digest, created_at)
    values (${uuidOf(tx.tenantId)}, ${uuidOf(issuer.id)}, ${issuer.issuer}, ${issuer.name}, ${issuer.status},
      ${[...issuer.purposes]}, ${'jwks' in keys ? new Json(keys.jwks) : null},
      ${'jwksUri' in keys ? keys.jwksUri : null}, ${issuer.clientIds.map(uuidOf)}::uuid[], ${[...issuer.scopes]},
      ${[...issuer.audiences]}, ${issuer.assertionTtlSecondsMax}, ${issuer.oneTime}, ${issuer.multiTenant},
      ${[...issuer.acrValues]}, ${issuer.maxAgeSeconds}, ${request?.key}, ${request?.digest},
      ${new Date(issuer.createdAtMs)})
    on conflict do nothing
    returning id`;
  return rows.length === 1;
}

/** Whoever bears this name now, trusted or suspended. */
export async function selectLivingIssuer(tx: TenantTx, issuer: string): Promise<TrustedIssuer | undefined> {
  const [row] = await tx.sql<IssuerRow>`
    select id, issuer, name, status, purposes, jwks, jwks_uri, client_ids, scopes, audiences, assertion_ttl_seconds_max,
      one_time, multi_tenant, acr_values, max_age_seconds, version, created_at
    from mono.trusted_issuers
    where tenant_id = ${uuidOf(tx.tenantId)} and issuer = ${issuer} and status <> 'removed'`;
  return row && issuerOf(row);
}

/** The same, remembered: who vouches for the instances of a client is asked at each of its tokens. */
export function selectRememberedIssuer(tx: TenantTx, issuer: string): Promise<TrustedIssuer | undefined> {
  return tx.remembered(`trusted issuer ${issuer}`, async () => {
    const [row] = await tx.sql<IssuerRow>`
      select id, issuer, name, status, purposes, jwks, jwks_uri, client_ids, scopes, audiences, assertion_ttl_seconds_max,
        one_time, multi_tenant, acr_values, max_age_seconds, created_at
      from mono.trusted_issuers
      where tenant_id = ${uuidOf(tx.tenantId)} and issuer = ${issuer} and status <> 'removed'`;
    return row && issuerOf(row);
  });
}

/** The issuer that is about to change, locked until the transaction ends. */
export async function lockIssuer(tx: TenantTx, id: GrantId): Promise<TrustedIssuer | undefined> {
  const [row] = await tx.sql<IssuerRow>`
    select id, issuer, name, status, purposes, jwks, jwks_uri, client_ids, scopes, audiences, assertion_ttl_seconds_max,
      one_time, multi_tenant, acr_values, max_age_seconds, version, created_at
    from mono.trusted_issuers where tenant_id = ${uuidOf(tx.tenantId)} and id = ${uuidOf(id)} for update`;
  return row && issuerOf(row);
}

/** Whether it is there and was not removed. */
export async function isLivingIssuer(tx: TenantTx, id: GrantId): Promise<boolean> {
  const rows = await tx.sql<{ id: string }>`
    select id from mono.trusted_issuers
    where tenant_id = ${uuidOf(tx.tenantId)} and id = ${uuidOf(id)} and status <> 'removed'`;
  return rows.length === 1;
}

export async function selectIssuerByIdempotencyKey(
  tx: TenantTx,
  key: string,
): Promise<{ issuer: TrustedIssuer; requestDigest: Uint8Array | null } | undefined> {
  const [row] = await tx.sql<IssuerRow & { request_digest: Uint8Array | null }>`
    select id, issuer, name, status, purposes, jwks, jwks_uri, client_ids, scopes, audiences, assertion_ttl_seconds_max,
      one_time, multi_tenant, acr_values, max_age_seconds, version, created_at, request_digest
    from mono.trusted_issuers where tenant_id = ${uuidOf(tx.tenantId)} and idempotency_key = ${key}`;
  return row && { issuer: issuerOf(row), requestDigest: row.request_digest };
}

/** Newest first, after the one `after` when it is given; without those that were removed. */
export async function selectIssuers(tx: TenantTx, after: GrantId | undefined, limit: number): Promise<TrustedIssuer[]> {
  const before = after && uuidOf(after);
  const rows = await tx.sql<IssuerRow>`
    select id, issuer, name, status, purposes, jwks, jwks_uri, client_ids, scopes, audiences, assertion_ttl_seconds_max,
      one_time, multi_tenant, acr_values, max_age_seconds, version, created_at
    from mono.trusted_issuers
    where tenant_id = ${uuidOf(tx.tenantId)} and status <> 'removed' and (${before}::uuid is null or id < ${before}::uuid)
    order by id desc limit ${limit}`;
  return rows.map(issuerOf);
}

/** The row is locked. */
export async function updateIssuerStatus(tx: TenantTx, id: GrantId, status: IssuerStatus): Promise<void> {
  await tx.sql`
    update mono.trusted_issuers set status = ${status}
    where tenant_id = ${uuidOf(tx.tenantId)} and id = ${uuidOf(id)}`;
}

/** Name, purposes, keys and bounds, with their version. The row is locked. */
export async function updateIssuerBounds(tx: TenantTx, { keys, ...issuer }: TrustedIssuer): Promise<void> {
  await tx.sql`
    update mono.trusted_issuers set name = ${issuer.name}, purposes = ${[...issuer.purposes]},
      jwks = ${'jwks' in keys ? new Json(keys.jwks) : null}, jwks_uri = ${'jwksUri' in keys ? keys.jwksUri : null},
      client_ids = ${issuer.clientIds.map(uuidOf)}::uuid[], scopes = ${[...issuer.scopes]},
      audiences = ${[...issuer.audiences]}, assertion_ttl_seconds_max = ${issuer.assertionTtlSecondsMax},
      one_time = ${issuer.oneTime}, acr_values = ${[...issuer.acrValues]}, max_age_seconds = ${issuer.maxAgeSeconds},
      version = ${issuer.version}
    where tenant_id = ${uuidOf(tx.tenantId)} and id = ${uuidOf(issuer.id)}`;
}
