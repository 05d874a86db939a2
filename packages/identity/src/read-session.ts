import type { SessionId, UserId } from '@mono-auth/core/ids';
import { readTenant, type Tenant } from '@mono-auth/tenants';
import type { IdentityContext } from './context.ts';
import { sessionTtlSeconds } from './session-policy.ts';
import { deleteSession, type StoredSession, selectSession } from './store.ts';

export interface Session {
  readonly id: SessionId;
  readonly userId: UserId;
  readonly email: string;
  readonly name: string;
  /** Epoch of the tenant in which it was made. */
  readonly epoch: number;
  /** Feed sequence that it was made with: what the feed takes away from a later entry on ends it. */
  readonly feedSeq: number;
  readonly createdAtMs: number;
  /** Its absolute end. */
  readonly expiresAtMs: number;
}

/**
 * The live session of a request, or undefined. The cookie proves which session it is (Better Auth); the row, the
 * tenant's epoch and the feed say whether it still lives. A dead one is deleted on sight.
 */
export async function readSession(
  context: IdentityContext,
  tenant: Tenant,
  headers: Headers,
): Promise<Session | undefined> {
  const { pool, sessionIdOf } = context.auths.of(tenant);
  const id = await sessionIdOf(headers);
  const stored = id && (await selectSession(pool, id));
  if (!id || !stored) return undefined;
  const session = sessionOf(id, stored);
  const fate = stored.banned ? 'dead' : await fateOf(context, tenant, session);
  if (fate === 'dead') await deleteSession(pool, id);
  return fate === 'live' ? session : undefined;
}

/** Whether a session lives now. One of a suspended tenant sleeps: it is refused, and kept. */
export async function fateOf(
  { database, feed, runtime }: Pick<IdentityContext, 'database' | 'feed' | 'runtime'>,
  tenant: Pick<Tenant, 'id'>,
  session: Session,
): Promise<'live' | 'dead' | 'asleep'> {
  if (session.expiresAtMs <= runtime.nowMs()) return 'dead';
  const { epoch, status } = await database.forTenant(tenant.id, readTenant);
  if (session.epoch !== epoch) return 'dead';
  const { revoked } = (await feed.state(tenant.id)).isRevoked({
    jti: session.id,
    sid: session.id,
    sub: `user:${session.userId}`,
    ep: session.epoch,
    fs: session.feedSeq,
  });
  if (revoked) return 'dead';
  return status === 'suspended' ? 'asleep' : 'live';
}

export function sessionOf(id: SessionId, stored: StoredSession): Session {
  const { userId, email, name, epoch, feedSeq, createdAtMs } = stored;
  // Whatever the row's own expiry says: no update prolongs a session beyond its absolute lifetime.
  const expiresAtMs = Math.min(stored.expiresAtMs, createdAtMs + sessionTtlSeconds * 1000);
  return { id, userId, email, name, epoch, feedSeq, createdAtMs, expiresAtMs };
}
