import { append } from '@mono-auth/audit';
import { notFound, Refusal } from '@mono-auth/core/errors';
import type { Id } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import { lockRegistrationToken, updateTokenRevoked } from '../store/registration-tokens.ts';
import type { RegistrationToken } from './registration-token.ts';

/**
 * Ends an initial access token that was not used.
 * @throws Refusal `not_found`; `stale_version` when a client was registered with it: that client is retired instead.
 */
export async function revokeRegistrationToken(tx: TenantTx, call: Call, id: Id<'iat'>): Promise<RegistrationToken> {
  const token = await lockRegistrationToken(tx, id);
  if (!token) throw notFound('registration token');
  if (token.revoked) return token;
  if (token.usedForClientId) throw new Refusal('stale_version', 'the token was used; retire the client instead');
  await updateTokenRevoked(tx, id);
  await append(tx, call, {
    type: 'registration_token.revoked',
    object: { kind: 'registration_token', id },
    detail: { label: token.label },
  });
  return { ...token, revoked: true };
}
