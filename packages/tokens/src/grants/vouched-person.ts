import { asRefusal, Refusal } from '@mono-auth/core/errors';
import { isId, type SessionId, type UserId } from '@mono-auth/core/ids';
import type { TenantRole } from '@mono-auth/core/principal';
import { refreshTokens } from '@mono-auth/grants';
import { verifyJwt } from '@mono-auth/keys';
import { decodeProtectedHeader } from 'jose';
import * as z from 'zod';
import { familyTtlSeconds, requireGrantType } from '../ceilings.ts';
import { required } from '../form.ts';
import type { GrantSession } from '../grant-session.ts';
import { holdsKeyOf, requireLiveGrant, requireLiveSession, requireMember } from '../live-grant.ts';
import { idTokenType, refreshTokenType } from './token-types.ts';

/** A person of whom the client has a proof of ours, with what that proof hangs on still alive. */
export interface VouchedPerson {
  readonly userId: UserId;
  readonly role: TenantRole;
  readonly authTimeSeconds: number;
  /** Epoch seconds: the end of the session, or of the grant. */
  readonly notAfter: number;
}

/** What makes an ID token of ours one; `sid` because without the session nothing would say whether it still counts. */
const idTokenClaims = z.object({
  sub: z.string().refine((sub): sub is `user:${UserId}` => sub.startsWith('user:') && isId('usr', sub.slice(5))),
  sid: z.string().refine((sid): sid is SessionId => isId('ses', sid)),
  auth_time: z.int().nonnegative(),
});

/**
 * The person of the subject token (ID-JAG §4.3.1): an ID token that was made for this client (MUST), or its own refresh token,
 * which is looked at as in a refresh and not used up.
 * @throws Refusal `invalid_request` (RFC 8693 §2.2.2).
 */
export async function readVouchedPerson(session: GrantSession): Promise<VouchedPerson> {
  const token = required(session.form, 'subject_token');
  const type = required(session.form, 'subject_token_type');
  for (const name of ['actor_token', 'actor_token_type']) {
    if (session.form.get(name) !== undefined) throw new Refusal('invalid_request', `${name}: is not taken for this`);
  }
  if (type !== idTokenType && type !== refreshTokenType) {
    throw new Refusal('invalid_request', 'subject_token_type: an ID token or a refresh token of this issuer');
  }
  try {
    return type === idTokenType ? await readIdToken(session, token) : await readRefreshToken(session, token);
  } catch (error) {
    const refusal = asRefusal(error);
    if (refusal.reason !== 'not_authenticated' && refusal.reason !== 'invalid_grant') throw error;
    throw new Refusal('invalid_request', 'subject_token: is not valid, or not of this client', { cause: error });
  }
}

async function readIdToken(session: GrantSession, token: string): Promise<VouchedPerson> {
  const { deps, tx, tenant, client } = session;
  const kid = kidOf(token);
  const payload = await verifyJwt<unknown>(token, await deps.keys.publicKeys(tx, 'token', kid), {
    typ: 'JWT',
    issuer: tenant.issuer,
    audience: client.externalId ?? client.id,
    nowMs: deps.runtime.nowMs(),
  });
  const read = idTokenClaims.safeParse(payload);
  if (!read.success) throw new Refusal('not_authenticated', 'not an ID token of a session', { cause: read.error });
  const { sub, sid, auth_time: authTimeSeconds } = read.data;
  const userId = sub.slice('user:'.length) as UserId;
  const state = await requireLiveSession(session, userId, sid);
  const feed = await deps.feed.stateIn(tx);
  // The key as well: what a compromised one has signed is nobody's word.
  const handles = { jti: sid, sid, sub, ep: state.epoch, fs: state.feedSeq, kid };
  if (feed.isRevoked(handles).revoked) throw new Refusal('not_authenticated', 'it has been revoked');
  const role = await requireMember(session, userId);
  return { userId, role, authTimeSeconds, notAfter: state.expiresAtMs / 1000 };
}

async function readRefreshToken(session: GrantSession, token: string): Promise<VouchedPerson> {
  const { tx, client } = session;
  const found = await refreshTokens.findRefreshToken(tx, token);
  const isOwn = found?.grant.clientId === client.id && found.spentAtMs === undefined;
  if (!isOwn || !holdsKeyOf(session, found.grant)) {
    throw new Refusal('not_authenticated', 'no living refresh token of this client');
  }
  const { grant } = found;
  // As in a refresh: what the tenant or the client allows now may have brought the end nearer, or have taken the grant away.
  requireGrantType(session, 'refresh_token');
  const endMs = Math.min(found.expiresAtMs, grant.createdAtMs + familyTtlSeconds(session) * 1000);
  if (endMs <= session.deps.runtime.nowMs()) throw new Refusal('not_authenticated', 'it has expired');
  await requireLiveGrant(session, grant);
  const role = await requireMember(session, grant.userId);
  const authTimeSeconds = Math.floor(grant.authTimeMs / 1000);
  return { userId: grant.userId, role, authTimeSeconds, notAfter: endMs / 1000 };
}

function kidOf(token: string): string | undefined {
  try {
    return decodeProtectedHeader(token).kid;
  } catch {
    return undefined;
  }
}
