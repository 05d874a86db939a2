import { fromBase64url, jwtSyntax, textOf } from '@mono-auth/core/encoding';
import { Refusal } from '@mono-auth/core/errors';
import type { AccessTokenClaims } from '@mono-auth/core/token-claims';
import type { RevocationState } from '@mono-auth/feed-engine';

/** The claims by which a stream's own token can end while the stream runs. */
export type FollowerClaims = Pick<
  AccessTokenClaims,
  'jti' | 'sub' | 'exp' | 'client_id' | 'act' | 'sid' | 'grants' | 'pjti' | 'ep' | 'fs'
> & {
  /** From the token's header. */
  readonly kid?: string;
};

const bearer = /^Bearer +(\S+)$/i;

/**
 * Reads the claims of the token that the access interceptor has verified for this very call.
 * @throws Refusal `not_authenticated` when the call carries none: a stream must be able to end with its credential.
 */
export function readFollowerClaims(authorization: string | null): FollowerClaims {
  const token = bearer.exec(authorization ?? '')?.[1] ?? '';
  if (!jwtSyntax.test(token)) throw new Refusal('not_authenticated', 'following the feed needs a bearer token');
  const [header = '', payload = ''] = token.split('.');
  const { kid }: { kid?: string } = parsePart(header);
  const claims: FollowerClaims = parsePart(payload);
  if (!Number.isFinite(claims.exp)) throw new Refusal('not_authenticated', 'the token has no end');
  return kid === undefined ? claims : { ...claims, kid };
}

function parsePart<T>(part: string): T {
  return JSON.parse(textOf(fromBase64url(part)));
}

/**
 * Ends a stream whose token has expired, or was revoked by an entry that the follower has been sent: it is told of its
 * own end, and of nothing after it.
 * @throws Refusal `not_authenticated`.
 */
export function requireLiving(claims: FollowerClaims, nowMs: number, state: RevocationState, sentSeq: number): void {
  if (nowMs >= claims.exp * 1000) throw new Refusal('not_authenticated', 'the token has expired');
  const verdict = state.isRevoked(claims);
  if (verdict.revoked && verdict.seq <= sentSeq) throw new Refusal('not_authenticated', 'the token was revoked');
}
