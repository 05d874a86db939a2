import { append } from '@mono-auth/audit';
import type { Call } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import { newCredential, sha256 } from './credential.ts';
import type { Grant } from './grant.ts';
import { insertGrant } from './store/grants.ts';
import { insertRefreshToken } from './store/refresh-tokens.ts';

export interface BeginGrantInput extends Omit<Grant, 'createdAtMs' | 'endedAtMs'> {
  /** Whether a refresh token comes with it; it lives as long as the grant. */
  readonly refreshable: boolean;
}

/**
 * Begins what a person allowed a client, once the code for it is used up in this transaction.
 * @returns the first refresh token, which is shown once and stored as a digest.
 */
export async function beginGrant(
  tx: TenantTx,
  call: Call,
  { refreshable, ...input }: BeginGrantInput,
): Promise<{ refreshToken: string | undefined }> {
  const createdAtMs = call.runtime.nowMs();
  await insertGrant(tx, { ...input, createdAtMs, endedAtMs: undefined });
  const refreshToken = refreshable ? newCredential(call.runtime, 'refreshToken') : undefined;
  if (refreshToken !== undefined) {
    const { id: grantId, expiresAtMs } = input;
    await insertRefreshToken(tx, { digest: sha256(refreshToken), grantId, createdAtMs, expiresAtMs });
  }
  await append(tx, call, {
    type: 'grant.begun',
    object: { kind: 'grant', id: input.id },
    subject: `user:${input.userId}`,
    detail: {
      client_id: input.clientId,
      scope: input.scopes.join(' '),
      resources: input.resources.join(' '),
      refreshable,
      survives_session: input.sessionId === undefined,
    },
  });
  return { refreshToken };
}
