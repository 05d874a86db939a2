import { textOf } from '@mono-auth/core/encoding';
import { invalidClient } from './invalid-client.ts';

/** RFC 7617 §2: scheme and base64; the scheme is compared without case (RFC 9110 §11.1). */
const basicSyntax = /^basic +([A-Za-z0-9+/]+={0,2})$/i;

/**
 * client_secret_basic (RFC 6749 §2.3.1): both halves are form-urlencoded before they are joined by a colon.
 * @throws Refusal `invalid_client`.
 */
export function readBasic(authorization: string): { readonly clientId: string; readonly secret: string } {
  const encoded = basicSyntax.exec(authorization)?.[1];
  if (encoded === undefined) throw invalidClient('authorization: not the Basic scheme');
  try {
    const pair = textOf(Buffer.from(encoded, 'base64'));
    const colon = pair.indexOf(':');
    if (colon < 1) throw new TypeError('no colon, or nothing in front of it');
    return { clientId: formDecode(pair.slice(0, colon)), secret: formDecode(pair.slice(colon + 1)) };
  } catch (cause) {
    throw invalidClient(cause);
  }
}

/** RFC 6749 appendix B. @throws URIError on a `%` that begins no character. */
function formDecode(text: string): string {
  return decodeURIComponent(text.replaceAll('+', ' '));
}
