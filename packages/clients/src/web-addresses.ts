import { Refusal } from '@mono-auth/core/errors';
import type { Environment } from './manifest.ts';

/** Longest address that a client names, characters, as the API accepts it. */
const addressCharsMax = 512;

export interface RedirectRules {
  readonly environment: Environment;
  /** A client without a secret: an app on somebody's device, or in a browser. */
  readonly isPublic: boolean;
}

/**
 * Reads an address that a browser is sent back to, compared as text ever after (RFC 9700 §2.1, OAuth 2.1 §2.3.1). Allowed:
 * https; http on a loopback address literal (RFC 8252 §7.3 and §8.3: not `localhost`, which may resolve elsewhere, except in
 * development), in production for public clients only; a scheme of the app's own with a dot in it, for public clients
 * (RFC 8252 §7.1).
 * @throws Refusal `invalid_redirect_uri` naming the field.
 */
export function readRedirectUri(uri: string, field: string, rules: RedirectRules): string {
  const refuse = (why: string) => new Refusal('invalid_redirect_uri', `${field}: ${why}`);
  const url = readPlain(uri, refuse);
  if (url.protocol === 'https:') return uri;
  if (url.protocol === 'http:') {
    const { environment, isPublic } = rules;
    if (environment === 'production' && !isPublic) throw refuse('http is only for public apps on loopback');
    if (isLoopbackLiteral(url) || (environment === 'development' && url.hostname === 'localhost')) return uri;
    throw refuse('http only on 127.0.0.1 or [::1], in development on localhost as well; else https');
  }
  if (!/^[a-z][a-z0-9-]*(?:\.[a-z0-9-]+)+:$/.test(url.protocol)) {
    throw refuse('https, or the reversed domain name of an app as its scheme');
  }
  if (!rules.isPublic) throw refuse('a scheme of its own is only for an app without a secret');
  return uri;
}

/**
 * Reads an address that we fetch, post to or show: https, in development also http on this machine.
 * @throws Refusal `invalid_client_metadata` naming the field.
 */
export function readServerAddress(uri: string, field: string, environment: Environment): string {
  const refuse = (why: string) => new Refusal('invalid_client_metadata', `${field}: ${why}`);
  const url = readPlain(uri, refuse);
  const local = environment === 'development' && (isLoopbackLiteral(url) || url.hostname === 'localhost');
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && local)) {
    throw refuse('https, or http on loopback in development');
  }
  return uri;
}

/** The plain form has one spelling: no dot segments, no default port, no other writing of an address, no capitals. */
function readPlain(uri: string, refuse: (why: string) => Refusal): URL {
  const url = /^[\x21-\x7e]+$/.test(uri) && uri.length <= addressCharsMax ? URL.parse(uri) : null;
  if (!url) throw refuse(`not an absolute URI of at most ${addressCharsMax} printable characters`);
  if (uri.includes('#')) throw refuse('has a fragment');
  if (uri.includes('*')) throw refuse('has a wildcard: name every address');
  if (url.username !== '' || url.password !== '') throw refuse('has a user part');
  if (/(?:^|[/\\])(?:\.|%2e){1,2}(?:[/\\?]|$)/i.test(uri)) throw refuse('has dot segments');
  if (url.href !== uri && url.href !== `${uri}/`) throw refuse(`is not in its plain form, ${url.href}`);
  return url;
}

function isLoopbackLiteral({ hostname }: URL): boolean {
  return hostname === '127.0.0.1' || hostname === '[::1]';
}
