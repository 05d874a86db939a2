export type { TrustedIssuer as Attester } from '../trusted-issuer.ts';
export { type ClientAttestation, invalidAttestation, readClientAttestation } from './client-attestation.ts';
export { useUpAttestation } from './use-up-attestation.ts';
export { verifyClientAttestation } from './verify-client-attestation.ts';
