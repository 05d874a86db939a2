import type { ClientId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import { readSecurityPolicy } from '@mono-auth/tenants';
import type { AuthMethod } from '../manifest.ts';
import { insertSecret } from '../store/secrets.ts';
import { freshSecret } from './client-secret.ts';

/** Whether a client of this method shows a secret. */
export function hasSecrets(method: AuthMethod): boolean {
  return method === 'client_secret_basic' || method === 'client_secret_post';
}

/** The secret that a new client starts with, for as long as the tenant allows; undefined where its method needs none. */
export async function makeFirstSecret(
  tx: TenantTx,
  call: Call,
  clientId: ClientId,
  method: AuthMethod,
): Promise<string | undefined> {
  if (!hasSecrets(method)) return undefined;
  const { clientSecretTtlSecondsMax } = await readSecurityPolicy(tx);
  const { secret, digest, text } = freshSecret(call.runtime, clientId, clientSecretTtlSecondsMax);
  await insertSecret(tx, secret, digest, undefined);
  return text;
}
