import { Refusal } from '@mono-auth/core/errors';

/**
 * A path that two parsers could read in two ways: empty or dot segments, backslashes, encoded slashes, backslashes, dots
 * or control characters. Route tables and `disabledPaths` match strings; an alias would pass around them.
 */
const ambiguous = /\/\/|\/\.{1,2}(?:\/|$)|\\|%(?:2f|5c|2e|[01][0-9a-f]|7f)|[^!-~]/i;

/** @throws Refusal `invalid_request` when the path is ambiguous. */
export function checkPath(rawPath: string): void {
  if (ambiguous.test(rawPath)) {
    throw new Refusal('invalid_request', 'path: empty, dot or encoded segments are not allowed');
  }
}
