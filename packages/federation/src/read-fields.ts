import { Refusal } from '@mono-auth/core/errors';

/** Longest issuer or address of keys, characters, as the API accepts it. */
const addressCharsMax = 512;
/** Longest `sub` of OpenID Connect Core §2, and as long a `tenant`. */
const subjectCharsMax = 255;

/**
 * An issuer: an address without a query, as RFC 8414 §2 has it, and compared as it is written ever after.
 * @throws Refusal `invalid_request` naming the field.
 */
export function readIssuer(text: string, field: string, allowLoopback: boolean): string {
  if (text.includes('?')) throw refuse(field, 'has a query');
  return readAddress(text, field, allowLoopback);
}

/**
 * Where an issuer is, or its keys: https without fragment or user part. Plain http only between neighbours on one machine, in
 * an installation that is there itself.
 * @throws Refusal `invalid_request` naming the field.
 */
export function readAddress(text: string, field: string, allowLoopback: boolean): string {
  const url = /^[\x21-\x7e]+$/.test(text) && text.length <= addressCharsMax ? URL.parse(text) : null;
  if (!url) throw refuse(field, `not a URL of at most ${addressCharsMax} characters`);
  if (text.includes('#')) throw refuse(field, 'has a fragment');
  if (url.username !== '' || url.password !== '') throw refuse(field, 'has a user part');
  const isLoopback = allowLoopback && ['127.0.0.1', '[::1]', 'localhost'].includes(url.hostname);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopback)) throw refuse(field, 'https');
  return text;
}

/** A name that another issuer gives. @throws Refusal `invalid_request` naming the field. */
export function readSubject(text: string, field: string): string {
  if (text.length > subjectCharsMax || /\p{Cc}/u.test(text)) {
    throw refuse(field, `at most ${subjectCharsMax} printable characters`);
  }
  return text;
}

export function refuse(field: string, why: string): Refusal {
  return new Refusal('invalid_request', `${field}: ${why}`);
}
