import { type clientAuthentication, type PublicJwks, peerJwt } from '@mono-auth/clients';
import { Refusal } from '@mono-auth/core/errors';
import { clockSkewSeconds } from '@mono-auth/core/limits';
import type { Runtime } from '@mono-auth/core/runtime';
import type { TenantTx } from '@mono-auth/database';
import { decodeProtectedHeader, type JWTPayload } from 'jose';
import { type Assertion, type AssertionClaims, idJagType, plainGrantTypes, readClaims } from './assertion.ts';
import { selectLivingIssuer } from './store/issuers.ts';
import type { TrustedIssuer } from './trusted-issuer.ts';

export interface AssertionDeps {
  readonly runtime: Runtime;
  readonly remoteKeys: Pick<clientAuthentication.RemoteKeys, 'publishedKeys'>;
  /** Of this tenant. */
  readonly issuer: string;
  readonly tokenEndpoint: string;
}

/**
 * Verifies an assertion of a trusted issuer (RFC 7523 §3): issuer, signature, `typ`, times, audience, shape. Whatever goes
 * wrong before the signature holds is answered in one wording: nobody learns here whom the tenant trusts. Run it inside
 * `RemoteKeys.withKeys`. Nothing is used up.
 * @throws Refusal `invalid_grant`; KeysWanted when the issuer's keys have to be fetched first.
 */
export async function verifyAssertion(tx: TenantTx, deps: AssertionDeps, assertion: string): Promise<Assertion> {
  const { kid, typ, iss } = readEnvelope(assertion);
  const issuer = await selectLivingIssuer(tx, iss);
  if (issuer?.status !== 'trusted') throw untrusted(`its issuer is ${issuer?.status ?? 'unknown'}`);
  const isIdJag = typ === idJagType;
  const payload = await verifySignature(assertion, keysOf(tx, deps, issuer, kid), {
    typ: isIdJag ? [idJagType] : plainGrantTypes,
    nowMs: deps.runtime.nowMs(),
  });
  checkAudience(payload, deps, isIdJag);
  const claims = readClaims(payload);
  if ('fault' in claims) throw refuse(`${claims.fault}: missing, malformed, or not understood here`);
  checkLife(claims, issuer, { isIdJag, nowMs: deps.runtime.nowMs() });
  return { issuer, isIdJag, claims };
}

function readEnvelope(assertion: string): { kid: string | undefined; typ: string | undefined; iss: string } {
  try {
    const { iss } = peerJwt.unverifiedClaims(assertion);
    const { kid, typ } = decodeProtectedHeader(assertion);
    if (typeof iss !== 'string') throw new TypeError('no iss');
    return { kid, typ, iss };
  } catch (cause) {
    throw untrusted(cause);
  }
}

function keysOf(
  { tenantId }: TenantTx,
  { remoteKeys }: AssertionDeps,
  { id, keys }: TrustedIssuer,
  kid: string | undefined,
): PublicJwks {
  if ('jwks' in keys) return keys.jwks;
  return remoteKeys.publishedKeys({ tenantId, id, uri: keys.jwksUri }, kid, () =>
    untrusted('its jwks_uri could not be read a moment ago'),
  );
}

async function verifySignature(
  assertion: string,
  jwks: PublicJwks,
  expect: Parameters<typeof peerJwt.verifyPeerJwt>[2],
): Promise<JWTPayload> {
  try {
    return await peerJwt.verifyPeerJwt(assertion, jwks, expect);
  } catch (cause) {
    throw untrusted(cause);
  }
}

/**
 * One audience alone, so that no other server can take the assertion further. A plain grant may name the token endpoint
 * (rfc7523bis, identity chaining §2.4.1); an ID-JAG names the issuer (ID-JAG §3.1).
 */
function checkAudience({ aud }: JWTPayload, { issuer, tokenEndpoint }: AssertionDeps, isIdJag: boolean): void {
  const sole = Array.isArray(aud) && aud.length === 1 ? aud[0] : aud;
  if (sole === issuer || (!isIdJag && sole === tokenEndpoint)) return;
  throw refuse('aud: is not this issuer alone');
}

function checkLife(
  { iat, exp }: AssertionClaims,
  { assertionTtlSecondsMax }: TrustedIssuer,
  { isIdJag, nowMs }: { readonly isIdJag: boolean; readonly nowMs: number },
): void {
  if (isIdJag && iat === undefined) throw refuse('iat: is required');
  // Without the forgiven clock skew: what is made from it would have no life left.
  if (exp * 1000 <= nowMs) throw refuse('exp: is over');
  const fromSeconds = iat ?? Math.floor(nowMs / 1000) - clockSkewSeconds;
  if (exp - fromSeconds > assertionTtlSecondsMax + clockSkewSeconds) throw refuse('exp: is too far off');
}

function untrusted(cause: unknown): Refusal {
  return new Refusal('invalid_grant', 'assertion: is none that counts here', { cause });
}

function refuse(why: string): Refusal {
  return new Refusal('invalid_grant', `assertion: ${why}`);
}
