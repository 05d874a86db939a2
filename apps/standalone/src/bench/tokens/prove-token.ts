import { createRemoteJWKSet, type JWTPayload, jwtVerify } from 'jose';
import { type Contestant, scope, target } from './contestant.ts';

/**
 * Verifies the token of an answer with the keys that its issuer publishes: what is fast must also be right.
 * @throws Error when it is not an ES256 access token for the service, with the scope that was asked for.
 */
export async function proveToken({ name, issuer, tokenOf }: Contestant, body: string): Promise<JWTPayload> {
  const expected = { issuer: issuer.issuer, audience: target, algorithms: ['ES256'], typ: 'at+jwt' };
  const { payload } = await jwtVerify(tokenOf(body), createRemoteJWKSet(issuer.jwksUrl), expected);
  if (payload.scope !== scope) throw new Error(`${name}: the scope is ${payload.scope}, not ${scope}`);
  return payload;
}
