import type { Refusal } from '@mono-auth/core/errors';
import { dpopAlgorithms } from '@mono-auth/core/token-claims';

/** RFC 6749 §5.2 and RFC 6750 §3 allow printable ASCII without quote and backslash in error_description. */
export function describe(detail: string): string {
  return detail.replace(/[^\x20-\x21\x23-\x5b\x5d-\x7e]/g, '?');
}

/** §6.1 of draft-ietf-oauth-attestation-based-client-auth-10. */
export const attestationChallengeHeader = 'oauth-client-attestation-challenge';

/** Whether a refusal is one that a DPoP proof, or another one, would help: it says so, or carries a nonce for it. */
export function asksForProof({ reason, dpopNonce }: Refusal): boolean {
  return reason === 'invalid_dpop_proof' || reason === 'use_dpop_nonce' || dpopNonce !== undefined;
}

/** The challenge of RFC 9449 §7.1. */
export function dpopChallenge(refusal: Refusal): string {
  const { oauth } = refusal.row;
  return `DPoP error="${oauth}", error_description="${describe(refusal.detail)}", algs="${dpopAlgorithms.join(' ')}"`;
}
