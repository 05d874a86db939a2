import { Refusal } from '@mono-auth/core/errors';
import { clockSkewSeconds } from '@mono-auth/core/limits';
import { issuerOf } from '@mono-auth/core/tenant-slug';
import { accessTokenType, type Confirmation } from '@mono-auth/core/token-claims';
import type { TenantTx } from '@mono-auth/database';
import { verifyJwt } from '@mono-auth/keys';
import { VerifiedTokens, verifiedTokensDefault } from '@mono-auth/sdk/verified-tokens';
import type { Tenant } from '@mono-auth/tenants';
import { decodeProtectedHeader, type JWK } from 'jose';
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
  const kid = kidOf(token);
  const keys = await deps.keys.publicKeys(tx ?? tenant.id, 'token', kid);
  const claims =
    knownClaims(deps, tenant, token, { keys, kid }) ?? (await readClaims(deps, tenant, token, { keys, kid }));
  // RFC 9449 §7.2, RFC 8705 §3: a bound token without the proof of its key is stolen until shown otherwise.
  if (claims.cnf && holder !== 'unknown' && !isProven(claims.cnf, holder)) {
    throw new Refusal('not_authenticated', 'token refused: it is bound to a key that was not proven');
  }
  const state = await (tx ? deps.feed.stateIn(tx) : deps.feed.state(tenant.id));
  if (state.isRevoked({ ...claims, kid }).revoked) {
    throw new Refusal('not_authenticated', 'token refused: it has been revoked');
  }
  return claims;
}

interface TokenKeys {
  readonly keys: readonly JWK[];
  /** The one that the token names. */
  readonly kid: string | undefined;
}

async function readClaims(
  deps: VerifierDeps,
  tenant: Pick<Tenant, 'id' | 'slug'>,
  token: string,
  { keys, kid }: TokenKeys,
): Promise<VerifiedClaims> {
  const nowMs = deps.runtime.nowMs();
  const expected = { typ: accessTokenType, issuer: issuerOf(deps.baseUrl, tenant.slug), nowMs };
  const claims = await verifyJwt<unknown>(token, keys, expected);
  if (!isAccessToken(claims) || claims.tenant_id !== tenant.id) {
    throw new Refusal('not_authenticated', 'token refused: it is not an access token of this tenant');
  }
  if (kid !== undefined) verifiedBy(deps).add(partsOf(token, kid), claims, nowMs);
  return claims;
}

/** Those whose signature and shape were looked at within a minute, by this very signature: their times are looked at anew. */
function knownClaims(
  deps: VerifierDeps,
  tenant: Pick<Tenant, 'id'>,
  token: string,
  { keys, kid }: TokenKeys,
): VerifiedClaims | undefined {
  if (kid === undefined || !keys.some((key) => key.kid === kid)) return undefined;
  const nowMs = deps.runtime.nowMs();
  const claims = verifiedBy(deps).find(partsOf(token, kid), nowMs);
  if (claims?.tenant_id !== tenant.id) return undefined;
  const nowSeconds = Math.floor(nowMs / 1000);
  const inTime = claims.exp > nowSeconds - clockSkewSeconds && claims.iat <= nowSeconds + clockSkewSeconds;
  return inTime ? claims : undefined;
}

/** Agents show the same token at every exchange, until it ends: 2,000 of them are remembered, some 6 MB. */
const verified = new WeakMap<VerifierDeps['keys'], VerifiedTokens>();

function verifiedBy({ keys }: VerifierDeps): VerifiedTokens {
  const known = verified.get(keys) ?? new VerifiedTokens(verifiedTokensDefault);
  verified.set(keys, known);
  return known;
}

function partsOf(token: string, kid: string) {
  const end = token.lastIndexOf('.');
  return { signedText: token.slice(0, end), signature: token.slice(end + 1), header: { kid } };
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
