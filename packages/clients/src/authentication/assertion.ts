import { createHash } from 'node:crypto';
import { utf8 } from '@mono-auth/core/encoding';
import type { ClientId } from '@mono-auth/core/ids';
import { clockSkewSeconds } from '@mono-auth/core/limits';
import type { TenantTx } from '@mono-auth/database';
import { decodeProtectedHeader, type JWTPayload } from 'jose';
import type { Client, PublicJwks } from '../client.ts';
import { verifyPeerJwt } from '../peer-jwt.ts';
import type { AuthenticationDeps } from './deps.ts';
import { invalidClient } from './invalid-client.ts';

/**
 * rfc7523bis: clients send `client-authentication+jwt`, and servers should not refuse when it is absent. Any other type
 * is another kind of token: a host signs its proofs with the same key.
 */
const assertionTypes = ['client-authentication+jwt', 'application/client-authentication+jwt', 'JWT', undefined];
/** Furthest `exp`, seconds: as long as a used assertion has to be remembered. */
const assertionTtlSecondsMax = 300;

/** A key of nobody: an assertion of an unknown client is verified as well, so that it takes as long to be refused. */
const nobodysKey = {
  kty: 'EC',
  crv: 'P-256',
  // The base point of the curve (SEC 2 §2.4.2): its private key would be 1, and no client has this key.
  x: 'axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY',
  y: 'T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU',
};

/**
 * private_key_jwt (RFC 7523 §3, rfc7523bis). Nothing is used up yet.
 * @param client undefined: nobody has this name; the work is the same and the outcome a refusal.
 * @throws Refusal `invalid_client`; KeysWanted when the client's keys have to be fetched first.
 */
export async function verifyAssertion(
  tx: TenantTx,
  deps: AuthenticationDeps,
  assertion: string,
  claimed: { readonly name: string; readonly client: Client | undefined },
): Promise<JWTPayload & { jti: string }> {
  const { runtime, issuer, remoteKeys } = deps;
  const { kid } = headerOf(assertion);
  const { client, name } = claimed;
  const jwks = client
    ? remoteKeys.keysOf(tx.tenantId, client, kid)
    : { keys: [{ ...nobodysKey, ...(kid !== undefined && { kid }) }] };
  const claims = await verify(assertion, jwks, runtime.nowMs());
  checkClaims(claims, name, issuer, runtime.nowMs());
  return claims;
}

function headerOf(assertion: string): { kid?: string | undefined } {
  try {
    return decodeProtectedHeader(assertion);
  } catch (cause) {
    throw invalidClient(cause);
  }
}

async function verify(assertion: string, jwks: PublicJwks, nowMs: number): Promise<JWTPayload & { jti: string }> {
  try {
    return await verifyPeerJwt(assertion, jwks, { typ: assertionTypes, nowMs });
  } catch (cause) {
    throw invalidClient(cause);
  }
}

function checkClaims({ iss, sub, aud, exp }: JWTPayload, name: string, issuer: string, nowMs: number): void {
  if (iss !== name || sub !== name) throw invalidClient('iss and sub are not the client');
  // rfc7523bis: the issuer as the sole value. With the token endpoint or a list, an assertion for another server would do.
  const sole = Array.isArray(aud) && aud.length === 1 ? aud[0] : aud;
  if (sole !== issuer) throw invalidClient('aud is not the issuer alone');
  if (exp === undefined) throw invalidClient('no exp');
  if (exp * 1000 > nowMs + (assertionTtlSecondsMax + clockSkewSeconds) * 1000)
    throw invalidClient('exp is too far off');
}

/**
 * RFC 7523 §3 item 7. In Postgres, where parallel uses of one assertion have one winner and no restart forgets it.
 * @throws the `refusal`, from here or at the end of the decision.
 */
export async function useUpAssertion(
  tx: TenantTx,
  clientId: ClientId,
  { jti, exp }: JWTPayload & { jti: string },
  refusal = invalidClient('the assertion was used before'),
): Promise<void> {
  // By client and jti, never by the token: a signature has several encodings, and ES256 two values (law 9).
  const digest = createHash('sha256')
    .update(utf8(`${clientId}\n${jti}`))
    .digest();
  const expiresAtMs = ((exp as number) + clockSkewSeconds) * 1000;
  await tx.consumeOnce({ kind: 'client_assertion', digest, expiresAtMs, refusal });
}
