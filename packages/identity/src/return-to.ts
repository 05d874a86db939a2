/** Longer paths are no page of ours. */
const pathCharsMax = 2048;
/** Longest page with its query: an authorization request at its bound, waiting for its person to sign in. */
const returnToCharsMax = 8 * 1024;

/**
 * The page to go to after signing in: a path of this origin, inside this tenant, in its normal form. Everything that a
 * browser might read differently than we do (backslashes, encoded separators, dot segments, controls, what is no percent-encoding) is not taken.
 * @returns undefined when `text` is not such a path.
 */
export function parseReturnTo(text: string | undefined, issuer: string): string | undefined {
  if (!text || text.length > returnToCharsMax || !/^\/[\x21-\x7e]*$/.test(text)) return undefined;
  const [path = ''] = text.split(/[?#]/, 1);
  if (path.length > pathCharsMax) return undefined;
  if (path.includes('//') || path.includes('\\') || /%(?:2f|5c|2e|25|[01]|7f|(?![0-9a-f]{2}))/i.test(path))
    return undefined;
  if (text.includes('\\')) return undefined;
  const url = URL.parse(text, issuer);
  if (url === null || url.origin !== new URL(issuer).origin) return undefined;
  if (`${url.pathname}${url.search}${url.hash}` !== text) return undefined;
  return url.pathname.startsWith(`${new URL(issuer).pathname}/`) ? text : undefined;
}
