import type { GrantId, SessionId } from '@mono-auth/core/ids';
import { beginGrant } from '@mono-auth/grants';
import { familyTtlSeconds, mayUseGrant } from '../ceilings.ts';
import type { GrantSession } from '../grant-session.ts';
import type { SessionState } from '../people.ts';
import type { TokenResponse } from './grant.ts';
import { mintPersonToken, type PersonToken, personTokenResponse } from './person-token.ts';

/** What a code or a device code stood for. */
export interface Allowed {
  readonly grantId: GrantId;
  readonly sessionId: SessionId;
  readonly session: SessionState;
  /** What the person allowed, which may be more than this token has. */
  readonly scopes: readonly string[];
  readonly resources: readonly string[];
  readonly authTimeMs: number;
  readonly nonce: string | undefined;
}

/** Whether refresh tokens may be had: the person allowed it, the client was approved for it, the tenant does not bar it. */
function isRefreshable(session: GrantSession, scopes: readonly string[]): boolean {
  return scopes.includes('offline_access') && mayUseGrant(session, 'refresh_token');
}

/**
 * Begins the grant whose code the caller has just used up, in this transaction, and answers its first tokens. With refresh
 * tokens it outlives the session; without, it ends with it, and so does its access token.
 */
export async function beginPersonGrant(
  session: GrantSession,
  token: PersonToken,
  allowed: Allowed,
): Promise<TokenResponse> {
  const { deps, tx, call, context, dpopJkt, instance } = session;
  const refreshable = isRefreshable(session, token.scopes);
  const familyEndMs = deps.runtime.nowMs() + familyTtlSeconds(session) * 1000;
  const sessionId = refreshable ? undefined : allowed.sessionId;
  const minted = await mintPersonToken(session, token, {
    ...{ grants: [allowed.grantId], sessionId, authTimeMs: allowed.authTimeMs, nonce: allowed.nonce },
    notAfter: (refreshable ? familyEndMs : allowed.session.expiresAtMs) / 1000,
    allowedIn: allowed.sessionId,
  });
  const isPublic = session.client.manifest?.authMethod === 'none';
  const { refreshToken } = await beginGrant(tx, call, {
    id: allowed.grantId,
    clientId: session.client.id,
    userId: token.userId,
    sessionId,
    scopes: allowed.scopes,
    resources: allowed.resources,
    authTimeMs: allowed.authTimeMs,
    // RFC 9449 §5: a client without a credential of its own is bound to its key; one with a credential may change keys.
    // An instance that somebody vouches for is bound to its own (attestation-based client authentication §10.3, MUST).
    dpopJkt: instance?.jkt ?? (isPublic ? dpopJkt : undefined),
    attesterId: instance?.attester.id,
    epoch: context.tenant.epoch,
    feedSeq: context.fs,
    expiresAtMs: refreshable ? familyEndMs : minted.claims.exp * 1000,
    refreshable,
  });
  return personTokenResponse(session, minted, refreshToken);
}
