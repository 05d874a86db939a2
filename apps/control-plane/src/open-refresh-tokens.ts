import type { Runtime } from '@mono-auth/core/runtime';
import type { Database } from '@mono-auth/database';
import type { Feed } from '@mono-auth/feed';
import { endGrant, grantRules, refreshTokens } from '@mono-auth/grants';
import type { TokenDeps } from '@mono-auth/tokens';

interface RefreshTokenDeps {
  readonly database: Database;
  readonly runtime: Runtime;
  readonly feed: Pick<Feed, 'stateIn' | 'append'>;
}

/** What introspection and revocation may know and do of refresh tokens (RFC 7662 §2.2, RFC 7009 §2.1). */
export function openRefreshTokens({
  database,
  runtime,
  feed,
}: RefreshTokenDeps): NonNullable<TokenDeps['refreshTokens']> {
  return {
    read: (tenantId, token) =>
      database.forTenant(tenantId, async (tx) => {
        const found = await refreshTokens.findRefreshToken(tx, token);
        if (!found || found.spentAtMs !== undefined || found.grant.endedAtMs !== undefined) return undefined;
        const { grant, expiresAtMs } = found;
        const isOver =
          expiresAtMs <= runtime.nowMs() || (await feed.stateIn(tx)).isRevoked(grantRules.handlesOf(grant)).revoked;
        if (isOver) return undefined;
        return {
          grantId: grant.id,
          client_id: grant.clientId,
          sub: `user:${grant.userId}`,
          scope: grant.scopes.join(' '),
          iat: Math.floor(grant.createdAtMs / 1000),
          exp: Math.floor(expiresAtMs / 1000),
          ...(grant.dpopJkt !== undefined && { cnf: { jkt: grant.dpopJkt } }),
        };
      }),
    end: async (call, id) => {
      await database.forTenant(call.caller.tenantId, (tx) => endGrant(feed, tx, call, { id }, 'revoked by its client'));
    },
  };
}
