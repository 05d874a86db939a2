/**
 * Whether every date of a JWT's claims that is there is a NumericDate (RFC 7519 §2). The type alone does not say so: JSON's
 * 1e400 is read as infinity, an `exp` that never comes.
 */
export function areNumericDates(claims: {
  readonly exp?: unknown;
  readonly nbf?: unknown;
  readonly iat?: unknown;
}): boolean {
  return [claims.exp, claims.nbf, claims.iat].every((date) => date === undefined || Number.isFinite(date));
}
