import { createHash } from 'node:crypto';
import { utf8 } from '@mono-auth/core/encoding';
import { Refusal } from '@mono-auth/core/errors';
import { type ClientId, isId } from '@mono-auth/core/ids';
import { clockSkewSeconds } from '@mono-auth/core/limits';
import type { Runtime } from '@mono-auth/core/runtime';
import type { TenantTx } from '@mono-auth/database';
import type { JWTPayload } from 'jose';
import type { Client } from './client.ts';
import { unverifiedClaims, verifyPeerJwt } from './peer-jwt.ts';
import { selectClient } from './store.ts';

const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
/**
 * rfc7523bis: clients send `client-authentication+jwt`, and servers should not refuse when it is absent. Any other type
 * is another kind of token: a host signs its proofs with the same key.
 */
const assertionTypes = ['client-authentication+jwt', 'application/client-authentication+jwt', 'JWT', undefined];
/** Furthest `exp`, seconds: as long as a used assertion has to be remembered. */
const assertionTtlSecondsMax = 300;

/** What a client says about itself at an endpoint: form parameters, and whether an Authorization header came as well. */
export interface ClientAuthentication {
  readonly client_assertion_type?: string | undefined;
  readonly client_assertion?: string | undefined;
  readonly client_id?: string | undefined;
  readonly client_secret?: string | undefined;
  readonly authorization?: string | undefined;
}

/**
 * Authenticates a client by private_key_jwt (RFC 7523 §3, rfc7523bis) and uses the assertion up: in this transaction, or with the
 * evidence of this decision.
 * @throws Refusal `invalid_client`, in one wording for every cause; `invalid_request` for two methods at once.
 */
export async function authenticateClient(
  tx: TenantTx,
  runtime: Runtime,
  params: ClientAuthentication,
  issuer: string,
): Promise<Client> {
  // RFC 6749 §2.3: at most one method in each request.
  if (params.client_assertion !== undefined && (params.client_secret ?? params.authorization) !== undefined) {
    throw new Refusal('invalid_request', 'a client authenticates by one method at a time');
  }
  if (params.client_assertion_type !== assertionType || !params.client_assertion) {
    throw invalidClient('no client assertion');
  }
  const client = await findClaimant(tx, params.client_assertion);
  if (params.client_id !== undefined && params.client_id !== client.id) throw invalidClient('client_id is not its sub');
  const claims = await verify(params.client_assertion, client, runtime.nowMs());
  checkClaims(claims, client.id, issuer, runtime.nowMs());
  if (client.status !== 'approved') throw invalidClient(`the client is ${client.status}`);
  await useUp(tx, client.id, claims);
  return client;
}

async function findClaimant(tx: TenantTx, assertion: string): Promise<Client> {
  let sub: unknown;
  try {
    ({ sub } = unverifiedClaims(assertion));
  } catch (cause) {
    throw invalidClient(cause);
  }
  const client = isId('cli', sub) ? await selectClient(tx, sub) : undefined;
  if (!client) throw invalidClient('no such client in this tenant');
  return client;
}

async function verify(assertion: string, client: Client, nowMs: number) {
  try {
    return await verifyPeerJwt(assertion, client.jwks, { typ: assertionTypes, nowMs });
  } catch (cause) {
    throw invalidClient(cause);
  }
}

function checkClaims(claims: JWTPayload, clientId: ClientId, issuer: string, nowMs: number): void {
  const { iss, sub, aud, exp } = claims;
  if (iss !== clientId || sub !== clientId) throw invalidClient('iss and sub are not the client');
  // rfc7523bis: the issuer as the sole value. With the token endpoint or a list, an assertion for another server would do.
  const sole = Array.isArray(aud) && aud.length === 1 ? aud[0] : aud;
  if (sole !== issuer) throw invalidClient('aud is not the issuer alone');
  if (exp === undefined) throw invalidClient('no exp');
  if (exp * 1000 > nowMs + (assertionTtlSecondsMax + clockSkewSeconds) * 1000)
    throw invalidClient('exp is too far off');
}

/** RFC 7523 §3 item 7. In Postgres, where parallel uses of one assertion have one winner and no restart forgets it. */
async function useUp(tx: TenantTx, clientId: ClientId, { jti, exp }: JWTPayload & { jti: string }): Promise<void> {
  // By client and jti, never by the token: a signature has several encodings, and ES256 two values (law 9).
  const digest = createHash('sha256')
    .update(utf8(`${clientId}\n${jti}`))
    .digest();
  const expiresAtMs = ((exp as number) + clockSkewSeconds) * 1000;
  const refusal = invalidClient('the assertion was used before');
  await tx.consumeOnce({ kind: 'client_assertion', digest, expiresAtMs, refusal });
}

function invalidClient(cause: unknown): Refusal {
  return new Refusal('invalid_client', 'client authentication failed', { cause });
}
