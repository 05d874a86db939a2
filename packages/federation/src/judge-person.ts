import { Refusal } from '@mono-auth/core/errors';
import { clockSkewSeconds } from '@mono-auth/core/limits';
import type { AssertionClaims } from './assertion.ts';
import type { TrustedIssuer } from './trusted-issuer.ts';

/**
 * Whether the person signed in as well and as lately as the tenant asks of this issuer (ID-JAG §4.4, RFC 9470 §3). What the
 * assertion does not say did not happen.
 * @throws Refusal `insufficient_user_authentication` with what would do.
 */
export function requireAuthentication(
  { acr, auth_time }: AssertionClaims,
  { acrValues, maxAgeSeconds }: Pick<TrustedIssuer, 'acrValues' | 'maxAgeSeconds'>,
  nowMs: number,
): void {
  const acrFails = acrValues.length > 0 && (acr === undefined || !acrValues.includes(acr));
  const oldestSeconds = Math.floor(nowMs / 1000) - maxAgeSeconds - clockSkewSeconds;
  const ageFails = maxAgeSeconds > 0 && (auth_time === undefined || auth_time < oldestSeconds);
  if (!acrFails && !ageFails) return;
  throw new Refusal('insufficient_user_authentication', 'the person has to sign in again at the identity provider', {
    stepUp: { ...(acrFails && { acrValues }), ...(ageFails && { maxAgeSeconds }) },
  });
}
