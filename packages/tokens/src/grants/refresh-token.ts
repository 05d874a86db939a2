import { Refusal } from '@mono-auth/core/errors';
import { endGrant, type Grant as Family, grantRules, refreshTokens } from '@mono-auth/grants';
import { intersectScope } from '@mono-auth/minting';
import { familyTtlSeconds } from '../ceilings.ts';
import { required } from '../form.ts';
import type { GrantSession } from '../grant-session.ts';
import { holdsKeyOf, requireLiveGrant, requireMember } from '../live-grant.ts';
import { readScope } from '../scope.ts';
import type { Grant } from './grant.ts';
import { decidePersonToken, mintPersonToken, personTokenResponse } from './person-token.ts';

/**
 * RFC 6749 §6 with rotation at every use (RFC 9700 §4.14.2). A refresh token that was spent ends its family when it is shown
 * again, also at the same moment: who of the two is the thief cannot be known. Another client's, another tenant's or an
 * unproven key's use changes nothing.
 */
export const refreshToken: Grant = {
  grantType: 'refresh_token',
  changesRows: true,
  async handle(session) {
    const { deps, tx, form, client, attempt } = session;
    const found = await refreshTokens.findRefreshToken(tx, required(form, 'refresh_token'));
    if (found?.grant.clientId !== client.id) throw invalidToken();
    const { grant } = found;
    attempt.subject = `user:${grant.userId}`;
    if (!holdsKeyOf(session, grant)) throw invalidToken();
    if (found.spentAtMs !== undefined) throw await endFamily(session, grant);
    const nowMs = deps.runtime.nowMs();
    // A family has one end; what the tenant or the client allows now may have brought it nearer.
    const endMs = Math.min(found.expiresAtMs, grant.createdAtMs + familyTtlSeconds(session) * 1000);
    if (endMs <= nowMs) throw invalidToken();
    await requireLiveGrant(session, grant);
    const role = await requireMember(session, grant.userId);
    const scopes = narrowScope(session, grant);
    const token = await decidePersonToken(session, { userId: grant.userId, role, scopes, resources: grant.resources });
    const next = await refreshTokens.rotateRefreshToken(tx, deps.runtime, found, endMs);
    if (next === undefined) throw await endFamily(session, grant);
    attempt.changed = true;
    const minted = await mintPersonToken(session, token, {
      ...{
        grants: grantRules.grantsOf(grant),
        sessionId: grant.sessionId,
        notAfter: endMs / 1000,
        authTimeMs: grant.authTimeMs,
      },
      // OpenID Connect Core §12.2: no nonce; the session may be over.
      ...{ nonce: undefined, allowedIn: grant.sessionId },
    });
    return personTokenResponse(session, minted, next);
  },
};

/** RFC 6749 §6: nothing that the person did not allow; absent: all of it. */
function narrowScope({ form }: GrantSession, grant: Family): readonly string[] {
  const asked = readScope(form);
  if (asked === undefined) return grant.scopes;
  if (intersectScope(asked, grant.scopes).length < asked.length) {
    throw new Refusal('invalid_scope', 'scope: has values that were not allowed');
  }
  return asked;
}

async function endFamily({ deps, tx, call }: GrantSession, { id }: Family): Promise<Refusal> {
  await endGrant(deps.feed, tx, call, { id }, 'refresh token was used again');
  return invalidToken();
}

/** One wording for every fault of a refresh token. */
function invalidToken(): Refusal {
  return new Refusal('invalid_grant', 'refresh_token: is not valid');
}
