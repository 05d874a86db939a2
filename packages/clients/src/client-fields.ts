import { Refusal } from '@mono-auth/core/errors';
import { nameCharsMax } from '@mono-auth/core/limits';
import { parseScope } from '@mono-auth/core/token-claims';

/** Longest resource identifier, as the API accepts it. */
const resourceCharsMax = 512;

/** @throws Refusal `invalid_request` unless it is 1 to 120 printable characters without white space at the ends. */
export function readName(name: string, field: string): string {
  if (name === '' || name.length > nameCharsMax || name !== name.trim() || /[\p{Cc}\p{Cf}\p{Cs}]/u.test(name)) {
    throw new Refusal('invalid_request', `${field}: 1 to ${nameCharsMax} printable characters`);
  }
  return name;
}

/** @throws Refusal `invalid_request` unless each is one scope value (RFC 6749 §3.3). @returns each once. */
export function readScopes(scopes: readonly string[], field: string): string[] {
  for (const scope of scopes) {
    if (scope.includes(' ') || parseScope(scope)?.length !== 1) {
      throw new Refusal('invalid_request', `${field}: not a scope value`);
    }
  }
  return [...new Set(scopes)];
}

/** @throws Refusal `invalid_request` unless each is a resource identifier. @returns each once. */
export function readAudiences(audiences: readonly string[], field: string): string[] {
  return [...new Set(audiences.map((audience) => readResourceUri(audience, field)))];
}

/** RFC 8707 §2: an absolute URI without fragment. Compared as it is written, so it has no spaces or user part either. */
export function readResourceUri(uri: string, field: string): string {
  const parsed = /^[\x21\x23-\x7e]+$/.test(uri) ? URL.parse(uri) : null;
  if (
    !parsed ||
    uri.length > resourceCharsMax ||
    uri.includes('#') ||
    parsed.username !== '' ||
    parsed.password !== ''
  ) {
    throw new Refusal('invalid_request', `${field}: not an absolute URI without fragment`);
  }
  return uri;
}
