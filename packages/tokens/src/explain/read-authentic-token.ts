import { jwtSyntax } from '@mono-auth/core/encoding';
import { notFound, Refusal } from '@mono-auth/core/errors';
import { isId } from '@mono-auth/core/ids';
import type { Caller } from '@mono-auth/core/principal';
import { issuerOf } from '@mono-auth/core/tenant-slug';
import { accessTokenType } from '@mono-auth/core/token-claims';
import type { TenantTx } from '@mono-auth/database';
import { verifyJwt } from '@mono-auth/keys';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { isAccessToken, type VerifiedClaims } from '../access-token.ts';
import type { ExplainDeps } from '../deps.ts';

export interface AuthenticToken {
  readonly claims: VerifiedClaims;
  readonly kid: string;
  /** Its key was ended as compromised: whoever has that key may have signed it too. */
  readonly keyRevoked: boolean;
}

/**
 * A token that a key of the caller's tenant has signed, however old and whatever was taken away since. It says who signed
 * it and nothing of whether it is good.
 * @throws Refusal `invalid_request` for what is no JWT; `not_found`, in one wording, for every other that is not ours.
 */
export async function readAuthenticToken(
  deps: ExplainDeps,
  tx: TenantTx,
  caller: Caller,
  token: string,
): Promise<AuthenticToken> {
  // Law 9: nothing is parsed that has not the one syntax.
  if (!jwtSyntax.test(token)) throw new Refusal('invalid_request', 'token: not a JWT');
  const { kid, issuedAtMs } = readUnverified(token);
  const key = isId('key', kid) ? await deps.keys.findKey(tx, kid) : undefined;
  if (key?.purpose !== 'token') throw notFound('token');
  const claims = await verifyJwt<unknown>(token, [key.publicJwk], {
    typ: accessTokenType,
    issuer: issuerOf(deps.baseUrl, caller.tenantSlug),
    // As of the moment of which the signature itself says that it was made: that it has expired since is no matter here.
    nowMs: Math.min(deps.runtime.nowMs(), issuedAtMs),
  }).catch((cause: unknown) => {
    if (cause instanceof Refusal && cause.reason === 'not_authenticated') throw notFound('token');
    throw cause;
  });
  if (!isAccessToken(claims) || claims.tenant_id !== caller.tenantId) throw notFound('token');
  return { claims, kid: key.kid, keyRevoked: key.state === 'revoked' };
}

function readUnverified(token: string): { kid: string | undefined; issuedAtMs: number } {
  try {
    const { iat } = decodeJwt(token);
    return { kid: decodeProtectedHeader(token).kid, issuedAtMs: Number(iat) * 1000 };
  } catch {
    throw notFound('token');
  }
}
