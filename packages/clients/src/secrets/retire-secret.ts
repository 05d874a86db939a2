import { append } from '@mono-auth/audit';
import { notFound } from '@mono-auth/core/errors';
import type { ClientId, Id } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import type { Client } from '../client.ts';
import { requireClient } from '../require-client.ts';
import { endSecret, selectLivingSecrets } from '../store/secrets.ts';

/** Ends one secret at once. One that has ended stays as it is. @throws Refusal `not_found` (client, secret). */
export async function retireSecret(
  tx: TenantTx,
  call: Call,
  input: { readonly id: ClientId; readonly secretId: Id<'sec'> },
): Promise<Client> {
  const client = await requireClient(tx, input.id);
  const nowMs = call.runtime.nowMs();
  const living = await selectLivingSecrets(tx, [client.id], nowMs);
  const lives = living.some(({ id }) => id === input.secretId);
  if (!(await endSecret(tx, { clientId: client.id, id: input.secretId }, nowMs))) throw notFound('secret');
  if (lives) {
    await append(tx, call, {
      type: 'client.secret_retired',
      object: { kind: 'client', id: client.id },
      detail: { secret: input.secretId },
    });
  }
  return client;
}
