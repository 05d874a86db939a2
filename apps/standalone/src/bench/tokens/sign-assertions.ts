import { createPrivateKey, sign } from 'node:crypto';
import { base64url, utf8 } from '@mono-auth/core/encoding';
import { nowSeconds, systemRuntime as runtime } from '@mono-auth/core/runtime';
import type { AssertionTask } from './load-task.ts';

const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
/** Longer than a round, shorter than the five minutes that a server lets an assertion live. */
const lifetimeSeconds = 120;

/** Client assertions (RFC 7523 §2.2) as parameters of a form, each with a jti of its own. */
export function signAssertions({ clientId, audience, privateJwk, count }: AssertionTask): string[] {
  const key = createPrivateKey({ key: privateJwk, format: 'jwk' });
  const part = (value: object) => base64url(utf8(JSON.stringify(value)));
  const header = part({ alg: 'ES256', kid: privateJwk.kid, typ: 'client-authentication+jwt' });
  const iat = nowSeconds(runtime);
  const exp = iat + lifetimeSeconds;
  return Array.from({ length: count }, () => {
    const claims = { iss: clientId, sub: clientId, aud: audience, iat, exp, jti: runtime.uuid() };
    const signed = `${header}.${part(claims)}`;
    // RFC 7518 §3.4: the two integers side by side, not DER.
    const signature = sign('sha256', utf8(signed), { key, dsaEncoding: 'ieee-p1363' });
    return new URLSearchParams({
      client_assertion_type: assertionType,
      client_assertion: `${signed}.${base64url(signature)}`,
    }).toString();
  });
}
