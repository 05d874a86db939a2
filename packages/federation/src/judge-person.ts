import { Refusal } from '@mono-auth/core/errors';
import { clockSkewSeconds } from '@mono-auth/core/limits';
import type { AssertionClaims } from './assertion.ts';
import type { TrustedIssuer } from './trusted-issuer.ts';

/** How and when somebody signed in, as far as it counts here. */
export interface Authentication {
  readonly acr: string | undefined;
  readonly authTimeSeconds: number | undefined;
}

/**
 * Whether the person signed in as well and as lately as the tenant asks of this issuer (ID-JAG §4.4, RFC 9470 §3). What the
 * assertion does not say did not happen, nor did what it says of the future.
 * @returns what may be told further (RFC 9470 §6): of the `acr` only one that the tenant has named for this issuer, because
 * each issuer means its own by such a word.
 * @throws Refusal `insufficient_user_authentication` with what would do.
 */
export function requireAuthentication(
  { acr, auth_time }: AssertionClaims,
  { acrValues, maxAgeSeconds }: Pick<TrustedIssuer, 'acrValues' | 'maxAgeSeconds'>,
  nowMs: number,
): Authentication {
  const latestSeconds = Math.floor(nowMs / 1000) + clockSkewSeconds;
  const authTimeSeconds = auth_time !== undefined && auth_time <= latestSeconds ? auth_time : undefined;
  const acrFails = acrValues.length > 0 && (acr === undefined || !acrValues.includes(acr));
  const oldestSeconds = Math.floor(nowMs / 1000) - maxAgeSeconds - clockSkewSeconds;
  const ageFails = maxAgeSeconds > 0 && (authTimeSeconds === undefined || authTimeSeconds < oldestSeconds);
  if (!acrFails && !ageFails) return { acr: acrValues.length > 0 ? acr : undefined, authTimeSeconds };
  throw new Refusal('insufficient_user_authentication', 'the person has to sign in again at the identity provider', {
    stepUp: { ...(acrFails && { acrValues }), ...(ageFails && { maxAgeSeconds }) },
  });
}
