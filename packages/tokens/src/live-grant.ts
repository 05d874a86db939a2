import { Refusal } from '@mono-auth/core/errors';
import type { SessionId, UserId } from '@mono-auth/core/ids';
import type { TenantRole } from '@mono-auth/core/principal';
import { type Grant, grantRules } from '@mono-auth/grants';
import { memberRole } from '@mono-auth/tenants';
import type { GrantSession } from './grant-session.ts';
import type { SessionState } from './people.ts';

/**
 * Whether the session in which a person allowed something still lives, by its row, the tenant's epoch and the feed.
 * @throws Refusal `invalid_grant`.
 */
export async function requireLiveSession(
  { deps, tx, tenant, context }: GrantSession,
  userId: UserId,
  sessionId: SessionId,
): Promise<SessionState> {
  const state = await deps.people.findSession(tenant.id, sessionId);
  const isOwn = state?.userId === userId && state.epoch === context.tenant.epoch;
  if (!isOwn || state.expiresAtMs <= deps.runtime.nowMs()) throw ended();
  const feed = await deps.feed.stateIn(tx);
  const handles = { jti: sessionId, sid: sessionId, sub: `user:${userId}`, ep: state.epoch, fs: state.feedSeq };
  if (feed.isRevoked(handles).revoked || !(await deps.people.isActive(tenant.id, userId))) throw ended();
  return state;
}

/**
 * Whether everything that a grant hangs on still lives: itself, its person, its client, its session where it has one, the
 * epoch. What was taken away since it began ended it.
 * @throws Refusal `invalid_grant`.
 */
export async function requireLiveGrant({ deps, tx, tenant, context }: GrantSession, grant: Grant): Promise<void> {
  if (grant.endedAtMs !== undefined || grant.expiresAtMs <= deps.runtime.nowMs()) throw ended();
  const { userId, epoch } = grant;
  const feed = await deps.feed.stateIn(tx);
  const isRevoked = feed.isRevoked(grantRules.handlesOf(grant)).revoked;
  if (isRevoked || epoch !== context.tenant.epoch || !(await deps.people.isActive(tenant.id, userId))) throw ended();
}

/**
 * Whether the client has proven the key that refresh tokens of the grant are bound to (RFC 9449 §5). An instance that somebody
 * vouches for has nothing of a grant that is bound to no key (attestation-based client authentication §10.3).
 */
export function holdsKeyOf({ dpopJkt, instance }: GrantSession, grant: Grant): boolean {
  if (instance) return grant.dpopJkt === instance.jkt;
  return grant.dpopJkt === undefined || grant.dpopJkt === dpopJkt;
}

/** The person's role now. @throws Refusal `invalid_grant` for somebody who is no member any more. */
export async function requireMember({ tx }: Pick<GrantSession, 'tx'>, userId: UserId): Promise<TenantRole> {
  const role = await memberRole(tx, userId);
  if (!role) throw ended();
  return role;
}

/** One wording for every cause: who shows a stolen credential learns nothing about its owner. */
function ended(): Refusal {
  return new Refusal('invalid_grant', 'what this was granted by has ended: ask the person again');
}
