import { Refusal } from '@mono-auth/core/errors';
import { issuerOf } from '@mono-auth/core/tenant-slug';
import { accessTokenType, type Confirmation } from '@mono-auth/core/token-claims';
import type { TenantTx } from '@mono-auth/database';
import { verifyJwt } from '@mono-auth/keys';
import type { Tenant } from '@mono-auth/tenants';
import { decodeProtectedHeader } from 'jose';
import { isAccessToken, type VerifiedClaims } from './access-token.ts';
import type { VerifierDeps } from './deps.ts';

export interface Presentation {
  /** Inside a transaction hand it in: they do not nest. */
  readonly tx?: TenantTx;
  /** What whoever shows the token has proven; `unknown` where the token is only spoken of, or the caller compares itself. */
  readonly holder: Confirmation | 'unknown';
}

/**
 * Says whether a token of this tenant is good now: syntax, signature, `typ`, `iss`, `exp`, shape, epoch and everything
 * that the feed has taken away. The audience is the caller's to compare.
 * @throws Refusal `not_authenticated`.
 */
export async function verifyAccessToken(
  deps: VerifierDeps,
  tenant: Pick<Tenant, 'id' | 'slug'>,
  token: string,
  { tx, holder }: Presentation,
): Promise<VerifiedClaims> {
  const keys = await deps.keys.publicKeys(tx ?? tenant.id, 'token', kidOf(token));
  const claims = await verifyJwt<unknown>(token, keys, {
    typ: accessTokenType,
    issuer: issuerOf(deps.baseUrl, tenant.slug),
    nowMs: deps.runtime.nowMs(),
  });
  if (!isAccessToken(claims) || claims.tenant_id !== tenant.id) {
    throw new Refusal('not_authenticated', 'token refused: it is not an access token of this tenant');
  }
  // RFC 9449 §7.2, RFC 8705 §3: a bound token without the proof of its key is stolen until shown otherwise.
  if (claims.cnf && holder !== 'unknown' && !isProven(claims.cnf, holder)) {
    throw new Refusal('not_authenticated', 'token refused: it is bound to a key that was not proven');
  }
  const state = await (tx ? deps.feed.stateIn(tx) : deps.feed.state(tenant.id));
  if (state.isRevoked({ ...claims, kid: kidOf(token) }).revoked) {
    throw new Refusal('not_authenticated', 'token refused: it has been revoked');
  }
  return claims;
}

/** The key that the token names; undefined when its header cannot be read, which is for \`verifyJwt\` to refuse. */
function kidOf(token: string): string | undefined {
  try {
    return decodeProtectedHeader(token).kid;
  } catch {
    return undefined;
  }
}

/** Everything that the token is bound to has been proven. */
function isProven(bound: Confirmation, proven: Confirmation): boolean {
  return (['jkt', 'x5t#S256'] as const).every((kind) => bound[kind] === undefined || bound[kind] === proven[kind]);
}
