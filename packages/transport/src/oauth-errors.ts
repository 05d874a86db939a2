import { asRefusal, type Refusal } from '@mono-auth/core/errors';

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
  if (row.retry)
    headers.set('retry-after', String(Math.ceil((refusal.retryAfterMs ?? 0) / 1000) || retryAfterSecondsDefault));
  const body = { error: row.oauth, error_description: describe(refusal.detail), reason: refusal.reason };
  return new Response(JSON.stringify(body), { status: row.http, headers });
}

/**
 * Encodes a refusal for a protected HTTP resource (RFC 6750 §3): 401 without an error code when no token came, else
 * the code and the reason.
 */
export function toBearerError(error: unknown, options: { tokenPresent: boolean; scope?: string }): Response {
  const refusal = asRefusal(error);
  const headers = new Headers({ 'content-type': 'application/json', 'cache-control': 'no-store' });
  if (refusal.row.http === 401 || refusal.row.http === 403) {
    const parts = options.tokenPresent
      ? [`error="${refusal.row.oauth}"`, `error_description="${describe(refusal.detail)}"`]
      : [];
    if (options.scope && refusal.row.http === 403) parts.push(`scope="${options.scope}"`);
    headers.set('www-authenticate', ['Bearer', parts.join(', ')].filter(Boolean).join(' '));
  }
  return new Response(
    JSON.stringify({ error: refusal.row.oauth, error_description: describe(refusal.detail), reason: refusal.reason }),
    {
      status: refusal.row.http,
      headers,
    },
  );
}

function challengeOf(refusal: Refusal, scheme: 'Basic' | 'Bearer'): string {
  return scheme === 'Basic' ? 'Basic realm="mono-auth"' : `Bearer error="${refusal.row.oauth}"`;
}

/** RFC 6749 §5.2 allows printable ASCII without quote and backslash in error_description. */
function describe(detail: string): string {
  return detail.replace(/[^\x20-\x21\x23-\x5b\x5d-\x7e]/g, '?');
}
