import type { Runtime } from '@mono-auth/core/runtime';

/**
 * How long an authorization code lives, seconds. RFC 6749 §4.1.2 allows ten minutes at most; a code travels one redirect
 * and is redeemed by a program, which is a matter of seconds.
 */
const codeTtlSeconds = 60;

/** The row of a code, on our clock and with our lifetime: Better Auth's own would be that of the pending request. */
export function codeRow<T extends { value: string }>(row: T, runtime: Runtime): T {
  if (!row.value.includes('"type":"authorization_code"')) return row;
  const createdAt = new Date(runtime.nowMs());
  const expiresAt = new Date(createdAt.getTime() + codeTtlSeconds * 1000);
  return { ...row, createdAt, updatedAt: createdAt, expiresAt };
}
