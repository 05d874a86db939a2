import { createHash } from 'node:crypto';
import { utf8 } from '@mono-auth/core/encoding';
import { clockSkewSeconds } from '@mono-auth/core/limits';
import type { TenantTx } from '@mono-auth/database';
import type { TrustedIssuer } from '../trusted-issuer.ts';
import { type ClientAttestation, invalidAttestation } from './client-attestation.ts';

/**
 * Takes an attestation of a one-time issuer once, with whatever is decided for it. Of the others an instance may show one
 * again until it is too old (§10.2): what works once is the proof beside it.
 * @throws Refusal `invalid_client_attestation`, from here or at the end of the decision.
 */
export async function useUpAttestation(
  tx: TenantTx,
  { id, oneTime, assertionTtlSecondsMax }: TrustedIssuer,
  { claims: { jti, iat, exp } }: ClientAttestation,
): Promise<void> {
  if (!oneTime) return;
  // By issuer and jti, never by the attestation's text (law 9).
  const digest = createHash('sha256')
    .update(utf8(`${id}\n${jti}`))
    .digest();
  const refusal = invalidAttestation('it was used before');
  // However long it says that it lives: from then on it is too old.
  const endSeconds = iat === undefined ? exp : Math.min(exp, iat + assertionTtlSecondsMax + clockSkewSeconds);
  const expiresAtMs = (endSeconds + clockSkewSeconds) * 1000;
  await tx.consumeOnce({ kind: 'client_attestation', digest, expiresAtMs, refusal });
}
