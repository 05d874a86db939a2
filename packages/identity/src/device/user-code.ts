/** Longest code that is looked at, characters with separators. */
const userCodeCharsMax = 32;

/**
 * A user code as it is compared: capital letters and digits, without what people put between them (RFC 8628 §6.1).
 * @returns undefined when nothing is left.
 */
export function normalUserCode(text: unknown): string | undefined {
  if (typeof text !== 'string' || text.length > userCodeCharsMax) return undefined;
  const code = text.toUpperCase().replaceAll(/[\s\-_.]/g, '');
  return /^[A-Z0-9]{4,16}$/.test(code) ? code : undefined;
}

/** In halves, as devices show it. */
export function shownUserCode(code: string): string {
  const half = Math.ceil(code.length / 2);
  return `${code.slice(0, half)}-${code.slice(half)}`;
}
