import type { NonceWindow } from '@mono-auth/cache';
import { type PublicJwks, peerJwt } from '@mono-auth/clients';
import { Refusal } from '@mono-auth/core/errors';
import { nowSeconds, type Runtime } from '@mono-auth/core/runtime';
import {
  type ClientAttestation,
  invalidAttestation,
  readClientAttestation,
} from '@mono-auth/federation/client-attestation';
import { type DpopProof, proofAgeSecondsMax } from '@mono-auth/sdk/dpop-proof';
import type { Tenant } from '@mono-auth/tenants';
import { calculateJwkThumbprint, decodeProtectedHeader } from 'jose';
import * as z from 'zod';
import type { FormRequest } from '../grant-session.ts';
import type { AttestationHeaders } from './attestation-headers.ts';
import type { AttestationSwitch } from './attestation-switch.ts';

export interface AttestationDeps extends AttestationSwitch {
  readonly runtime: Runtime;
  /** Of the proofs that instances make for this; DPoP proofs carry nonces of DPoP. */
  readonly attestationChallenges: Pick<NonceWindow, 'current' | 'accepts'>;
}

/** What an instance has shown: its proof holds, whether anybody vouches for its key is not known. */
export interface ShownAttestation {
  readonly attestation: ClientAttestation;
  readonly method: 'attest_jwt_client_auth' | 'attest_jwt_client_auth_dpop';
  /** Thumbprint of the key of the instance. */
  readonly jkt: string;
  /** To be used up; undefined where a DPoP proof stands in, which is used up as one. */
  readonly pop: { readonly jti: string; readonly expiresAtMs: number } | undefined;
}

const popType = 'oauth-client-attestation-pop+jwt';
/** RFC 7515 §4.1.4. */
const keyId = z.string().optional();
const popClaims = z.object({
  aud: z.union([z.string(), z.tuple([z.string()]).transform(([sole]) => sole)]),
  iat: z.number(),
  challenge: z.string().max(128).optional(),
});

/**
 * Reads what an instance of a client shows of itself (draft-ietf-oauth-attestation-based-client-auth-10 §7.2, §7.3): the proof by
 * the key of its attestation, over a challenge of ours. Not inside a transaction; nothing is used up yet.
 * @param proof the DPoP proof of the request, where it has one.
 * @throws Refusal `invalid_client_attestation`; `use_attestation_challenge` with the challenge to use.
 */
export async function readAttestation(
  deps: AttestationDeps,
  { tenant, form, headers }: Pick<FormRequest, 'tenant' | 'form'> & { readonly headers: AttestationHeaders },
  proof: DpopProof | undefined,
): Promise<ShownAttestation> {
  const attestation = readClientAttestation(headers.attestation);
  const named = form.get('client_id');
  // §7.5: MUST be the same.
  if (named !== undefined && named !== attestation.claims.sub) throw invalidAttestation('sub is not client_id');
  const jkt = await calculateJwkThumbprint(attestation.instanceKey);
  if (headers.pop !== undefined) {
    const pop = await verifyPop(deps, tenant, headers.pop, attestation);
    return { attestation, method: 'attest_jwt_client_auth', jkt, pop };
  }
  if (proof === undefined) throw invalidAttestation('nothing proves the key of the instance');
  // §7.3 item 4.
  if (proof.jkt !== jkt) throw invalidAttestation('the DPoP proof is by another key than the one attested');
  return { attestation, method: 'attest_jwt_client_auth_dpop', jkt, pop: undefined };
}

async function verifyPop(
  { runtime, attestationChallenges }: AttestationDeps,
  { id, issuer }: Pick<Tenant, 'id' | 'issuer'>,
  pop: string,
  { instanceKey }: ClientAttestation,
): Promise<NonNullable<ShownAttestation['pop']>> {
  const { jti, aud, iat, challenge } = await readPop(pop, instanceKey, runtime.nowMs());
  // §5.1: this server alone.
  if (aud !== issuer) throw invalidAttestation('aud of the proof is not the issuer alone');
  if (iat < nowSeconds(runtime) - proofAgeSecondsMax) throw invalidAttestation('the proof is too old');
  if (challenge === undefined || !(await attestationChallenges.accepts(id, challenge))) {
    throw new Refusal('use_attestation_challenge', 'the proof needs the challenge that comes with this answer', {
      attestationChallenge: await attestationChallenges.current(id),
    });
  }
  return { jti, expiresAtMs: (Math.floor(iat) + proofAgeSecondsMax + 1) * 1000 };
}

/** §7.2 items 2 to 4: signed by the key that the attestation names, whatever the proof calls it. */
async function readPop(pop: string, instanceKey: PublicJwks['keys'][number], nowMs: number) {
  try {
    const kid = keyId.parse(decodeProtectedHeader(pop).kid);
    const jwks = { keys: [{ ...instanceKey, ...(kid !== undefined && { kid }) }] };
    const claims = await peerJwt.verifyPeerJwt(pop, jwks, { typ: [popType], nowMs });
    return { ...popClaims.parse(claims), jti: claims.jti };
  } catch (cause) {
    throw invalidAttestation(cause);
  }
}
