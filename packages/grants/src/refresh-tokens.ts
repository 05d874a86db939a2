import type { Runtime } from '@mono-auth/core/runtime';
import type { TenantTx } from '@mono-auth/database';
import { credentialDigest, newCredential, sha256 } from './credential.ts';
import {
  insertRefreshToken,
  type StoredRefreshToken,
  selectRefreshToken,
  spendRefreshToken,
} from './store/refresh-tokens.ts';

/** The refresh token with its grant, spent or not; undefined for what this tenant has never issued. Changes nothing. */
export async function findRefreshToken(tx: TenantTx, token: string): Promise<StoredRefreshToken | undefined> {
  const digest = credentialDigest('refreshToken', token);
  return digest && selectRefreshToken(tx, digest);
}

/**
 * Spends a refresh token for the next one of its family (RFC 9700 §4.14.2: rotation).
 * @param expiresAtMs no later than the old token's end: the family has one lifetime, which no use prolongs.
 * @returns the next one; undefined when the token was spent, also by somebody at the same moment: the caller then ends the
 *   grant, because one of the two who showed it has stolen it.
 */
export async function rotateRefreshToken(
  tx: TenantTx,
  runtime: Runtime,
  { digest, grant, expiresAtMs: familyEndMs }: StoredRefreshToken,
  expiresAtMs: number,
): Promise<string | undefined> {
  const createdAtMs = runtime.nowMs();
  if (!(await spendRefreshToken(tx, digest, createdAtMs))) return undefined;
  const next = newCredential(runtime, 'refreshToken');
  await insertRefreshToken(tx, {
    digest: sha256(next),
    grantId: grant.id,
    createdAtMs,
    expiresAtMs: Math.min(expiresAtMs, familyEndMs),
  });
  return next;
}
