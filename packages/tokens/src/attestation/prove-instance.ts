import { createHash } from 'node:crypto';
import type { clientAuthentication } from '@mono-auth/clients';
import { utf8 } from '@mono-auth/core/encoding';
import { clockSkewSeconds } from '@mono-auth/core/limits';
import {
  type Attester,
  invalidAttestation,
  useUpAttestation,
  verifyClientAttestation,
} from '@mono-auth/federation/client-attestation';
import { readSecurityPolicy } from '@mono-auth/tenants';
import type { GrantDeps } from '../deps.ts';
import type { ShownAttestation } from './read-attestation.ts';

/** An instance of a client, with the attester who vouches for it. */
export interface AttestedInstance {
  /** Thumbprint of its key. */
  readonly jkt: string;
  readonly attester: Attester;
}

interface ProvenInstance extends clientAuthentication.InstanceProof {
  /** Undefined until it is proven. */
  readonly attested: AttestedInstance | undefined;
}

/** What `clients` asks of an attestation that was shown, in the transaction that it is shown for. */
export function proveInstance(
  deps: Pick<GrantDeps, 'runtime' | 'remoteKeys'>,
  { attestation, method, jkt, pop }: ShownAttestation,
): ProvenInstance {
  let attester: Attester | undefined;
  return {
    clientName: attestation.claims.sub,
    method,
    async prove(tx, client) {
      // As of this transaction: it may have been put out of force a moment ago.
      const { clientAttestation } = await readSecurityPolicy(tx);
      if (!clientAttestation) throw invalidAttestation('the tenant does not have it');
      attester = await verifyClientAttestation(tx, deps, attestation, client);
    },
    async useUp(tx, clientId) {
      if (attester) await useUpAttestation(tx, attester, attestation);
      if (!pop) return;
      // §12.1. By client, key and jti, never by the proof: a signature has several encodings (law 9).
      const digest = createHash('sha256')
        .update(utf8(`${clientId}\n${jkt}\n${pop.jti}`))
        .digest();
      const refusal = invalidAttestation('the proof was used before');
      const expiresAtMs = pop.expiresAtMs + clockSkewSeconds * 1000;
      await tx.consumeOnce({ kind: 'client_attestation_pop', digest, expiresAtMs, refusal });
    },
    get attested() {
      return attester && { jkt, attester };
    },
  };
}
