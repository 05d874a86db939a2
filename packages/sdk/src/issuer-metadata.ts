import { Refusal } from '@mono-auth/core/errors';
import { fetchJson } from './fetch-json.ts';
import type { Fetch } from './rpc-transport.ts';

/** What a client needs of the issuer's discovery document (OpenID Connect Discovery 1.0 §3). */
export interface IssuerMetadata {
  readonly issuer: string;
  readonly jwksUri: string;
  readonly tokenEndpoint: string;
}

/**
 * Reads `{issuer}/.well-known/openid-configuration`.
 * @throws Refusal `unavailable` when it cannot be had, `verification_failed` when it is that of another issuer.
 */
export async function fetchIssuerMetadata(issuer: string, fetch: Fetch): Promise<IssuerMetadata> {
  const { status, body } = await fetchJson(fetch, `${issuer}/.well-known/openid-configuration`);
  if (status !== 200) throw new Refusal('unavailable', `discovery: the issuer answered ${status}`);
  const document = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
  // OpenID Connect Discovery 1.0 §4.3: the issuer in the document MUST be exactly the one it was asked of.
  if (document.issuer !== issuer) throw new Refusal('verification_failed', 'discovery: the document of another issuer');
  return {
    issuer,
    jwksUri: readUrl(document, 'jwks_uri', issuer),
    tokenEndpoint: readUrl(document, 'token_endpoint', issuer),
  };
}

function readUrl(document: Record<string, unknown>, name: string, issuer: string): string {
  const value = document[name];
  const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : undefined;
  // Whoever trusts an https issuer is not sent to a place where anybody on the path may answer.
  const weaker = url?.protocol !== 'https:' && url?.protocol !== new URL(issuer).protocol;
  if (!url || weaker) throw new Refusal('verification_failed', `discovery: ${name} is not usable`);
  return url.href;
}
