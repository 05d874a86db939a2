import { accessTokenTtlSecondsMax, clockSkewSeconds, unaryDeadlineMsMax } from '@mono-auth/core/limits';
import type { KeyPurpose } from './key-pair.ts';

/** The purposes whose keys are rotated. */
export const rotatedPurposes = ['token', 'invite'] as const satisfies readonly KeyPurpose[];
export type RotatedPurpose = (typeof rotatedPurposes)[number];

/** How long each stage of a planned rotation lasts, milliseconds. */
export interface KeyLifePolicy {
  /** From the publication of a key until it signs. */
  readonly publishedMs: Readonly<Record<RotatedPurpose, number>>;
  /** From the end of its signing until it leaves. */
  readonly retiringMs: Readonly<Record<RotatedPurpose, number>>;
}

/**
 * The longest that a stock verifier goes on with a key set that it holds: `cacheMaxAge` of jose's createRemoteJWKSet,
 * 10 minutes. Longer than its `cooldownDuration` (30 s) and than the 300 s that our own answer allows.
 */
const keySetHeldMs = 600_000;
/** A set read just before the key was published may have been on its way, and clocks of our processes differ. */
const marginMs = unaryDeadlineMsMax + clockSkewSeconds * 1000;
/** Longest life of an invite, seconds: the contract's bound of CreateInviteRequest.ttl_seconds. */
const inviteTtlSecondsMax = 604_800;

export const defaultKeyLife: KeyLifePolicy = {
  publishedMs: {
    token: keySetHeldMs + marginMs,
    // Nobody but ourselves verifies an invite, and we look for its key in the database.
    invite: 0,
  },
  // The longest token, because no key knows the lifetimes that it signed. It may be accepted late by the forgiven skew, and
  // one that was being signed at the change comes a call's length later.
  retiringMs: {
    token: (accessTokenTtlSecondsMax + clockSkewSeconds) * 1000 + marginMs,
    invite: (inviteTtlSecondsMax + clockSkewSeconds) * 1000 + marginMs,
  },
};
