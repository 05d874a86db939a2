import type { Ephemeral } from '@mono-auth/cache';
import { peerJwt } from '@mono-auth/clients';
import { base64url } from '@mono-auth/core/encoding';
import { Refusal } from '@mono-auth/core/errors';
import { clockSkewSeconds } from '@mono-auth/core/limits';
import type { Runtime } from '@mono-auth/core/runtime';
import type { Tenant } from '@mono-auth/tenants';
import type { JWK, JWTPayload } from 'jose';

/** `typ` of proofs: a host signs its client assertions with the same key. */
const proofType = 'mono-proof+jwt';
/** How long a challenge can be answered: a slow machine signs within seconds. */
const challengeTtlMs = 120_000;
const challengeKind = 'machine_challenge';
/** 256 bits: never guessed, never repeated. */
const nonceBytes = 32;

export interface ChallengeDeps {
  readonly runtime: Runtime;
  readonly ephemeral: Pick<Ephemeral, 'set' | 'take'>;
}

interface Bound {
  readonly tenant: Tenant;
  readonly digest: string;
}

/** A nonce that works once, for two minutes and for this credential alone. Losing the store loses only the waiting. */
export async function issueChallenge(
  { runtime, ephemeral }: ChallengeDeps,
  { tenant, digest }: Bound,
): Promise<{ nonce: string; expiresAtMs: number }> {
  const nonce = base64url(runtime.randomBytes(nonceBytes));
  await ephemeral.set(tenant.id, challengeKind, nonce, digest, challengeTtlMs);
  return { nonce, expiresAtMs: runtime.nowMs() + challengeTtlMs };
}

/**
 * Checks that whoever presents the credential holds the key now, and uses the challenge up.
 * @returns the proof's claims.
 * @throws Refusal `not_authenticated`.
 */
export async function verifyProof(
  deps: ChallengeDeps,
  { tenant, digest }: Bound,
  key: JWK,
  proof: string,
): Promise<JWTPayload & { nonce: string }> {
  const claims = await verifyKeyProof(deps.runtime, tenant, key, proof);
  const challenged = await deps.ephemeral.take(tenant.id, challengeKind, claims.nonce);
  if (challenged !== digest) throw refuse('its nonce was used, has expired or belongs to another credential');
  return claims;
}

/** The same without the challenge: for a second key that answers the one that the first key has used up. */
export async function verifyKeyProof(
  runtime: Runtime,
  tenant: Tenant,
  key: JWK,
  proof: string,
): Promise<JWTPayload & { nonce: string }> {
  const nowMs = runtime.nowMs();
  const claims = await peerJwt.verifyPeerJwt(proof, { keys: [key] }, { typ: [proofType], nowMs });
  const { aud, iat, nonce } = claims;
  if (aud !== tenant.issuer) throw refuse('its aud is not the issuer');
  if (iat === undefined || iat * 1000 < nowMs - challengeTtlMs - clockSkewSeconds * 1000)
    throw refuse('its iat is old');
  if (typeof nonce !== 'string' || nonce === '') throw refuse('it carries no nonce');
  return { ...claims, nonce };
}

function refuse(why: string): Refusal {
  return new Refusal('not_authenticated', `proof refused: ${why}`);
}
