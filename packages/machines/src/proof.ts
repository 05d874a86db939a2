import { createNonces, type Nonces } from '@mono-auth/cache';
import { peerJwt } from '@mono-auth/clients';
import { Refusal } from '@mono-auth/core/errors';
import { clockSkewSeconds } from '@mono-auth/core/limits';
import type { Runtime } from '@mono-auth/core/runtime';
import type { Tenant } from '@mono-auth/tenants';
import type { JWK, JWTPayload } from 'jose';

/** `typ` of proofs: a host signs its client assertions with the same key. */
const proofType = 'mono-proof+jwt';
/** How long a challenge can be answered: a slow machine signs within seconds. */
const challengeTtlMs = 120_000;
/** A new challenge can be had at once; the pause only keeps a hundred hosts from asking in the same millisecond. */
const askAgainMs = 50;

export interface ChallengeDeps {
  readonly runtime: Runtime;
  /** Bound to the digest of a credential; see `createChallenges`. */
  readonly challenges: Nonces;
}

interface Bound {
  readonly tenant: Tenant;
  readonly digest: string;
}

/**
 * Nonces that work once, for two minutes, for one tenant and one credential. One that was issued before the store was lost is not
 * taken: the store has forgotten which were used.
 */
export function createChallenges(deps: Parameters<typeof createNonces>[0]): Nonces {
  return createNonces(deps, { kind: 'challenge_used', lifeMs: challengeTtlMs });
}

export function issueChallenge(
  { challenges }: ChallengeDeps,
  { tenant, digest }: Bound,
): Promise<{ nonce: string; expiresAtMs: number }> {
  return challenges.issue(tenant.id, digest);
}

/**
 * Checks that whoever presents the credential holds the key now, and uses the challenge up.
 * @returns the proof's claims.
 * @throws Refusal `not_authenticated`; `use_new_nonce` when a proof over a new challenge would do.
 */
export async function verifyProof(
  deps: ChallengeDeps,
  { tenant, digest }: Bound,
  key: JWK,
  proof: string,
): Promise<JWTPayload & { nonce: string }> {
  const claims = await verifyKeyProof(deps.runtime, tenant, key, proof);
  const challenged = await deps.challenges.consume(tenant.id, digest, claims.nonce);
  if (challenged === 'refused') throw refuse('its nonce was used or belongs to another credential');
  if (challenged === 'use_new') {
    const detail = 'proof refused: its nonce counts no more; ask for a new challenge and prove the key again';
    throw new Refusal('use_new_nonce', detail, { retryAfterMs: askAgainMs });
  }
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
