import {
  type ClientId,
  type Id,
  idFromUuid,
  type SessionId,
  type TenantId,
  type UserId,
  uuidOf,
} from '@mono-auth/core/ids';
import type { PlatformTx, TenantTx } from '@mono-auth/database';

/** Notes that a session was used for a client; known already is fine. */
export async function insertSessionClient(
  tx: TenantTx,
  session: { readonly id: SessionId; readonly userId: UserId },
  clientId: ClientId,
  nowMs: number,
): Promise<void> {
  await tx.sql`
    insert into mono.session_clients (tenant_id, session_id, client_id, user_id, created_at)
    values (${uuidOf(tx.tenantId)}, ${uuidOf(session.id)}, ${uuidOf(clientId)}, ${uuidOf(session.userId)},
      ${new Date(nowMs)})
    on conflict do nothing`;
}

export interface SessionClient {
  readonly sessionId: SessionId;
  readonly clientId: ClientId;
  readonly userId: UserId;
}

/** Takes out the clients of one session, or of all sessions of a user, that want to hear of logouts. */
export async function takeSessionClients(
  tx: TenantTx,
  of: { readonly sessionId?: SessionId; readonly userId?: UserId },
): Promise<SessionClient[]> {
  const rows = await tx.sql<{ session_id: string; client_id: string; user_id: string; told: boolean }>`
    delete from mono.session_clients as used using mono.clients as client
    where used.tenant_id = ${uuidOf(tx.tenantId)}
      and (used.session_id = ${of.sessionId && uuidOf(of.sessionId)} or used.user_id = ${of.userId && uuidOf(of.userId)})
      and client.tenant_id = used.tenant_id and client.id = used.client_id
    returning used.session_id, used.client_id, used.user_id,
      client.status = 'approved' and coalesce(client.manifest ->> 'backchannelLogoutUri', '') <> '' as told`;
  return rows
    .filter(({ told }) => told)
    .map((row) => ({
      sessionId: idFromUuid('ses', row.session_id),
      clientId: idFromUuid('cli', row.client_id),
      userId: idFromUuid('usr', row.user_id),
    }));
}

export async function insertDelivery(tx: TenantTx, id: Id<'req'>, to: SessionClient, nowMs: number): Promise<void> {
  await tx.sql`
    insert into mono.logout_deliveries (tenant_id, id, client_id, session_id, user_id, attempts, due_at, created_at)
    values (${uuidOf(tx.tenantId)}, ${uuidOf(id)}, ${uuidOf(to.clientId)}, ${uuidOf(to.sessionId)},
      ${uuidOf(to.userId)}, 0, ${new Date(nowMs)}, ${new Date(nowMs)})`;
}

export interface Delivery extends SessionClient {
  readonly id: Id<'req'>;
  /** Which attempt this is, from 1. */
  readonly attempt: number;
  /** What the client calls itself; undefined when it is approved no more, or wants to hear nothing. */
  readonly audience: string | undefined;
  readonly uri: string;
}

/**
 * Takes one delivery that is due, counts the attempt, and puts it off to `retryAtMs(attempt)`, so that nobody else takes it
 * meanwhile and it comes back if this process dies.
 */
export async function takeDueDelivery(
  tx: TenantTx,
  nowMs: number,
  retryAtMs: (attempt: number) => number,
): Promise<Delivery | undefined> {
  const [row] = await tx.sql<{ id: string; client_id: string; session_id: string; user_id: string; attempts: number }>`
    select id, client_id, session_id, user_id, attempts from mono.logout_deliveries
    where tenant_id = ${uuidOf(tx.tenantId)} and due_at <= ${new Date(nowMs)}
    order by due_at limit 1 for update skip locked`;
  if (!row) return undefined;
  const attempt = row.attempts + 1;
  await tx.sql`
    update mono.logout_deliveries set attempts = ${attempt}, due_at = ${new Date(retryAtMs(attempt))}
    where tenant_id = ${uuidOf(tx.tenantId)} and id = ${row.id}`;
  const [client] = await tx.sql<{ wire_id: string; uri: string | null }>`
    select wire_id, manifest ->> 'backchannelLogoutUri' as uri from mono.clients
    where tenant_id = ${uuidOf(tx.tenantId)} and id = ${row.client_id} and status = 'approved'`;
  return {
    id: idFromUuid('req', row.id),
    clientId: idFromUuid('cli', row.client_id),
    sessionId: idFromUuid('ses', row.session_id),
    userId: idFromUuid('usr', row.user_id),
    attempt,
    audience: client?.uri ? client.wire_id : undefined,
    uri: client?.uri ?? '',
  };
}

export async function deleteDelivery(tx: TenantTx, id: Id<'req'>): Promise<void> {
  await tx.sql`delete from mono.logout_deliveries where tenant_id = ${uuidOf(tx.tenantId)} and id = ${uuidOf(id)}`;
}

/** Tenants with a logout token to send. */
export async function selectTenantsDue(tx: PlatformTx, nowMs: number): Promise<TenantId[]> {
  const rows = await tx.sql<{ tenant_id: string }>`
    select distinct tenant_id from mono.logout_deliveries where due_at <= ${new Date(nowMs)}`;
  return rows.map(({ tenant_id }) => idFromUuid('ten', tenant_id));
}

/** Deletes what was noted of sessions that have ended of themselves. */
export async function deleteOldSessionClients(tx: PlatformTx, beforeMs: number): Promise<void> {
  await tx.sql`delete from mono.session_clients where created_at < ${new Date(beforeMs)}`;
}
