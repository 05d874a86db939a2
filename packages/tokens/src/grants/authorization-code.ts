import { createHash } from 'node:crypto';
import { base64url, utf8 } from '@mono-auth/core/encoding';
import { Refusal } from '@mono-auth/core/errors';
import type { GrantId } from '@mono-auth/core/ids';
import { clockSkewSeconds } from '@mono-auth/core/limits';
import { endGrant, findGrant, grantRules } from '@mono-auth/grants';
import { required } from '../form.ts';
import { type GrantSession, hasProven } from '../grant-session.ts';
import { requireLiveSession, requireMember } from '../live-grant.ts';
import type { AuthorizationCode } from '../people.ts';
import { beginPersonGrant } from './begin-person-grant.ts';
import type { Grant, TokenResponse } from './grant.ts';
import { decidePersonToken } from './person-token.ts';

/** RFC 7636 §4.1. */
const verifierSyntax = /^[A-Za-z0-9._~-]{43,128}$/;

/**
 * RFC 6749 §4.1.3. Everything is checked before the first change, so that no wrong client, verifier, redirect URI or key
 * uses a code up. A second use by its client ends what the first one began (§4.1.2), also at the same moment.
 */
export const authorizationCode: Grant = {
  grantType: 'authorization_code',
  changesRows: true,
  async lookUp({ codes }, { tenant, form }) {
    const code = form.get('code');
    return code === undefined ? undefined : codes?.readAuthorizationCode(tenant, code);
  },
  async handle(session, code) {
    const { deps, tx, tenant, client, form, attempt } = session;
    const text = required(form, 'code');
    const digest = sha256(text);
    const grantId = grantRules.grantIdOf(digest);
    await requireFirstUse(session, grantId);
    if (!code || code.clientName !== (client.externalId ?? client.id)) throw invalidCode();
    attempt.subject = `user:${code.userId}`;
    requireBindings(session, code);
    if (code.expiresAtMs <= deps.runtime.nowMs()) throw invalidCode();
    const state = await requireLiveSession(session, code.userId, code.sessionId);
    const role = await requireMember(session, code.userId);
    const token = await decidePersonToken(session, { ...code, role });
    await useUp(session, { digest, grantId, expiresAtMs: code.expiresAtMs });
    attempt.changed = true;
    tx.afterCommit(() => deps.codes?.forgetAuthorizationCode(tenant, text));
    const answer = await beginPersonGrant(session, token, { ...code, grantId, session: state });
    return answer satisfies TokenResponse;
  },
};

/** RFC 6749 §4.1.3, RFC 7636 §4.6, RFC 9449 §10, in this order. */
function requireBindings(session: GrantSession, code: AuthorizationCode): void {
  const { form } = session;
  if (required(form, 'redirect_uri') !== code.redirectUri) throw invalidCode();
  const verifier = required(form, 'code_verifier');
  if (!verifierSyntax.test(verifier) || base64url(sha256(verifier)) !== code.codeChallenge) throw invalidCode();
  if (code.dpopJkt !== undefined && !hasProven(session, code.dpopJkt)) throw invalidCode();
}

async function useUp(
  session: GrantSession,
  { digest, grantId, expiresAtMs }: { digest: Uint8Array; grantId: GrantId; expiresAtMs: number },
): Promise<void> {
  const refusal = invalidCode();
  const rememberedUntilMs = expiresAtMs + clockSkewSeconds * 1000;
  try {
    await session.tx.consumeOnce({ kind: 'authorization_code', digest, expiresAtMs: rememberedUntilMs, refusal });
  } catch (error) {
    // Somebody was faster, and has committed by now.
    if (error === refusal) await requireFirstUse(session, grantId);
    throw error;
  }
}

/**
 * RFC 6749 §4.1.2: a code that is shown twice ends all that was made from it; kept although the request is refused. Only its
 * own client can do that: for anybody else it is a code that never was.
 */
async function requireFirstUse({ deps, tx, call, client }: GrantSession, grantId: GrantId): Promise<void> {
  const made = await findGrant(tx, grantId);
  if (made?.clientId !== client.id) return;
  await endGrant(deps.feed, tx, call, { id: made.id }, 'authorization code was used again');
  throw invalidCode();
}

function sha256(text: string): Uint8Array {
  return createHash('sha256').update(utf8(text)).digest();
}

/** One wording for every fault of a code. */
function invalidCode(): Refusal {
  return new Refusal('invalid_grant', 'code: is not valid');
}
