import { asRefusal, type Refusal } from '@mono-auth/core/errors';
import { asksForProof, attestationChallengeHeader, describe, dpopChallenge } from './challenge.ts';

/** `Retry-After` when the refusal does not say, seconds. */
const retryAfterSecondsDefault = 1;

/**
 * Encodes a refusal for an OAuth endpoint (RFC 6749 §5.2): JSON body, never cached, and a challenge where the client
 * authenticated with the Authorization header.
 */
export function toOAuthError(error: unknown, options: { challenge?: 'Basic' | 'Bearer' } = {}): Response {
  const refusal = asRefusal(error);
  const { row } = refusal;
  const headers = new Headers({ 'content-type': 'application/json', 'cache-control': 'no-store', pragma: 'no-cache' });
  if (row.http === 401 && options.challenge) headers.set('www-authenticate', challengeOf(refusal, options.challenge));
  if (refusal.dpopNonce !== undefined) headers.set('dpop-nonce', refusal.dpopNonce);
  const { attestationChallenge } = refusal;
  if (attestationChallenge !== undefined) headers.set(attestationChallengeHeader, attestationChallenge);
  if (row.retry)
    headers.set('retry-after', String(Math.ceil((refusal.retryAfterMs ?? 0) / 1000) || retryAfterSecondsDefault));
  const { maxAgeSeconds, acrValues } = refusal.stepUp ?? {};
  const body = {
    ...{ error: row.oauth, error_description: describe(refusal.detail), reason: refusal.reason },
    ...(maxAgeSeconds !== undefined && { max_age: maxAgeSeconds }),
    ...(acrValues !== undefined && { acr_values: acrValues.join(' ') }),
  };
  return new Response(JSON.stringify(body), { status: row.http, headers });
}

/**
 * Encodes a refusal for a protected HTTP resource (RFC 6750 §3): 401 without an error code when no token came, else
 * the code and the reason. What a proof would help is challenged with its scheme, and a 401 here (RFC 9449 §7.1, §9).
 */
export function toBearerError(error: unknown, options: { tokenPresent: boolean; scope?: string }): Response {
  const refusal = asRefusal(error);
  const headers = new Headers({ 'content-type': 'application/json', 'cache-control': 'no-store' });
  const status = asksForProof(refusal) ? 401 : refusal.row.http;
  if (refusal.dpopNonce !== undefined) headers.set('dpop-nonce', refusal.dpopNonce);
  if (asksForProof(refusal)) headers.set('www-authenticate', dpopChallenge(refusal));
  else if (status === 401 || status === 403) {
    const parts = options.tokenPresent
      ? [`error="${refusal.row.oauth}"`, `error_description="${describe(refusal.detail)}"`]
      : [];
    if (options.scope && refusal.row.http === 403) parts.push(`scope="${options.scope}"`);
    headers.set('www-authenticate', ['Bearer', parts.join(', ')].filter(Boolean).join(' '));
  }
  return new Response(
    JSON.stringify({ error: refusal.row.oauth, error_description: describe(refusal.detail), reason: refusal.reason }),
    { status, headers },
  );
}

function challengeOf(refusal: Refusal, scheme: 'Basic' | 'Bearer'): string {
  return scheme === 'Basic' ? 'Basic realm="mono-auth"' : `Bearer error="${refusal.row.oauth}"`;
}
