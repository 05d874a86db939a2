import { createRemoteJWKSet, decodeJwt, type JWTPayload, jwtVerify } from 'jose';
import { type Contestant, scope, target } from './contestant.ts';

/**
 * Verifies the token of an answer with the keys that its issuer publishes: what is fast must also be right.
 * @throws Error when it is not an ES256 access token for the service, with the scope that was asked for.
 */
export async function proveToken({ name, issuers, tokenOf }: Contestant, body: string): Promise<JWTPayload> {
  const token = tokenOf(body);
  // The token only chooses among those whom the row knows.
  const { iss = '' } = decodeJwt(token);
  const jwksUrl = issuers.get(iss);
  if (!jwksUrl) throw new Error(`${name}: ${iss} is nobody who was asked`);
  const expected = { issuer: iss, audience: target, algorithms: ['ES256'], typ: 'at+jwt' };
  const { payload } = await jwtVerify(token, createRemoteJWKSet(jwksUrl), expected);
  if (payload.scope !== scope) throw new Error(`${name}: the scope is ${payload.scope}, not ${scope}`);
  return payload;
}
