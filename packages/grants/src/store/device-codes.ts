import {
  type ClientId,
  type GrantId,
  type Id,
  idFromUuid,
  type SessionId,
  type UserId,
  uuidOf,
} from '@mono-auth/core/ids';
import type { TenantTx } from '@mono-auth/database';
import type { DeviceAuthorization, DeviceDecision } from '../device-authorization.ts';

interface DeviceRow {
  id: string;
  client_id: string;
  scopes: string[];
  resources: string[];
  dpop_jkt: string | null;
  interval_seconds: number;
  created_at: Date;
  expires_at: Date;
  polled_at: Date | null;
  decided_by: string | null;
  decided_session_id: string | null;
  auth_time: Date | null;
  granted: boolean | null;
  grant_id: string | null;
}

function deviceOf(row: DeviceRow): DeviceAuthorization {
  return {
    id: idFromUuid('dev', row.id),
    clientId: idFromUuid('cli', row.client_id),
    scopes: row.scopes,
    resources: row.resources,
    dpopJkt: row.dpop_jkt ?? undefined,
    intervalSeconds: row.interval_seconds,
    createdAtMs: row.created_at.getTime(),
    expiresAtMs: row.expires_at.getTime(),
    polledAtMs: row.polled_at?.getTime(),
    decision: decisionOf(row),
    grantId: row.grant_id === null ? undefined : idFromUuid('gra', row.grant_id),
  };
}

function decisionOf({ granted, decided_by, decided_session_id, auth_time }: DeviceRow): DeviceDecision | undefined {
  if (granted === null || decided_by === null || decided_session_id === null || auth_time === null) return undefined;
  return {
    granted,
    userId: idFromUuid('usr', decided_by),
    sessionId: idFromUuid('ses', decided_session_id),
    authTimeMs: auth_time.getTime(),
  };
}

export interface NewDeviceCode {
  readonly id: Id<'dev'>;
  readonly digest: Uint8Array;
  readonly userCodeDigest: Uint8Array;
  readonly clientId: ClientId;
  readonly scopes: readonly string[];
  readonly resources: readonly string[];
  readonly dpopJkt: string | undefined;
  readonly intervalSeconds: number;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
}

/** Answers false when the user code is taken. */
export async function insertDeviceCode(tx: TenantTx, code: NewDeviceCode): Promise<boolean> {
  const rows = await tx.sql<{ id: string }>`
    insert into mono.device_codes (tenant_id, id, digest, user_code_digest, client_id, scopes, resources, dpop_jkt,
      interval_seconds, created_at, expires_at)
    values (${uuidOf(tx.tenantId)}, ${uuidOf(code.id)}, ${code.digest}, ${code.userCodeDigest}, ${uuidOf(code.clientId)},
      ${code.scopes}, ${code.resources}, ${code.dpopJkt}, ${code.intervalSeconds}, ${new Date(code.createdAtMs)},
      ${new Date(code.expiresAtMs)})
    on conflict (tenant_id, user_code_digest) do nothing
    returning id`;
  return rows.length === 1;
}

/** Holds the row until the transaction ends: of parallel polls each sees what the one before has left. */
export async function lockDeviceCode(tx: TenantTx, digest: Uint8Array): Promise<DeviceAuthorization | undefined> {
  const rows = await tx.sql<DeviceRow>`
    select id, client_id, scopes, resources, dpop_jkt, interval_seconds, created_at, expires_at, polled_at, decided_by,
      decided_session_id, auth_time, granted, grant_id
    from mono.device_codes where tenant_id = ${uuidOf(tx.tenantId)} and digest = ${digest} for update`;
  return rows[0] && deviceOf(rows[0]);
}

export async function selectByUserCode(
  tx: TenantTx,
  userCodeDigest: Uint8Array,
): Promise<DeviceAuthorization | undefined> {
  const rows = await tx.sql<DeviceRow>`
    select id, client_id, scopes, resources, dpop_jkt, interval_seconds, created_at, expires_at, polled_at, decided_by,
      decided_session_id, auth_time, granted, grant_id
    from mono.device_codes where tenant_id = ${uuidOf(tx.tenantId)} and user_code_digest = ${userCodeDigest}`;
  return rows[0] && deviceOf(rows[0]);
}

export async function updateDevicePolled(
  tx: TenantTx,
  id: Id<'dev'>,
  polledAtMs: number,
  intervalSeconds: number,
): Promise<void> {
  await tx.sql`
    update mono.device_codes set polled_at = ${new Date(polledAtMs)}, interval_seconds = ${intervalSeconds}
    where tenant_id = ${uuidOf(tx.tenantId)} and id = ${uuidOf(id)}`;
}

/** Answers false when it was decided before. */
export async function updateDeviceDecided(
  tx: TenantTx,
  id: Id<'dev'>,
  decision: { granted: boolean; userId: UserId; sessionId: SessionId; authTimeMs: number },
  nowMs: number,
): Promise<boolean> {
  const rows = await tx.sql<{ id: string }>`
    update mono.device_codes set decided_by = ${uuidOf(decision.userId)},
      decided_session_id = ${uuidOf(decision.sessionId)}, auth_time = ${new Date(decision.authTimeMs)},
      decided_at = ${new Date(nowMs)}, granted = ${decision.granted}
    where tenant_id = ${uuidOf(tx.tenantId)} and id = ${uuidOf(id)} and decided_at is null
    returning id`;
  return rows.length === 1;
}

/** Answers false when a grant was made from it before. */
export async function updateDeviceGranted(tx: TenantTx, id: Id<'dev'>, grantId: GrantId): Promise<boolean> {
  const rows = await tx.sql<{ id: string }>`
    update mono.device_codes set grant_id = ${uuidOf(grantId)}
    where tenant_id = ${uuidOf(tx.tenantId)} and id = ${uuidOf(id)} and grant_id is null
    returning id`;
  return rows.length === 1;
}
