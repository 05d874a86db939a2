import { createHash } from 'node:crypto';
import { utf8 } from '@mono-auth/core/encoding';
import { Refusal } from '@mono-auth/core/errors';
import { clockSkewSeconds } from '@mono-auth/core/limits';
import type { TenantTx } from '@mono-auth/database';
import type { DpopProof } from '@mono-auth/sdk/dpop-proof';

/**
 * Takes a proof once (RFC 9449 §11.1): in Postgres, with whatever is decided for it, so that parallel uses have one winner
 * and no loss of another store brings it back.
 */
export async function useUpProof(tx: TenantTx, { jkt, jti, expiresAtMs }: DpopProof): Promise<void> {
  // By key and jti, never by the proof: a signature has several encodings (law 9).
  const digest = createHash('sha256')
    .update(utf8(`${jkt}\n${jti}`))
    .digest();
  const refusal = new Refusal('invalid_dpop_proof', 'the DPoP proof was used before');
  await tx.consumeOnce({
    kind: 'dpop_proof',
    digest,
    expiresAtMs: expiresAtMs + clockSkewSeconds * 1000,
    refusal,
  });
}
