import type { ClientId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import type { AuthMethod } from '../manifest.ts';
import { hasSecrets, makeFirstSecret } from '../secrets/first-secret.ts';
import { selectLivingSecrets } from '../store/secrets.ts';

/** A secret that was made just now. */
export interface IssuedSecret {
  readonly text: string;
  readonly expiresAtMs: number;
}

/** The secret of a client whose method needs one and that has none yet. */
export async function issueSecret(
  tx: TenantTx,
  call: Call,
  id: ClientId,
  method: AuthMethod,
): Promise<IssuedSecret | undefined> {
  const nowMs = call.runtime.nowMs();
  if (!hasSecrets(method) || (await selectLivingSecrets(tx, [id], nowMs)).length > 0) return undefined;
  const text = await makeFirstSecret(tx, call, id, method);
  const [secret] = await selectLivingSecrets(tx, [id], nowMs);
  return text !== undefined && secret ? { text, expiresAtMs: secret.expiresAtMs } : undefined;
}
