import { Refusal } from '@mono-auth/core/errors';

/**
 * Refuses a write that another site sent. A browser names the origin with every POST; a program that is no browser
 * sends none, and carries no cookie of a victim either.
 * @throws Refusal `denied`.
 */
export function requireSameOrigin(headers: Headers, origin: string, programs: 'allowed' | 'refused'): void {
  const named = headers.get('origin');
  if (named === null ? programs === 'refused' : named !== origin) {
    throw new Refusal('denied', 'this request came from another origin');
  }
  // https://www.w3.org/TR/fetch-metadata/ §2.3: a sibling host (same-site) is somebody else's as well.
  const site = headers.get('sec-fetch-site');
  if (site !== null && site !== 'same-origin' && site !== 'none') {
    throw new Refusal('denied', 'this request came from another origin');
  }
}
