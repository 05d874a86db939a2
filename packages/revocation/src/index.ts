export { tenantEnding } from './end-tenant.ts';
export type { Casualty, Receipt, Revocation, RevocationParticipant, RevocationTarget } from './revocation.ts';
export { type RevocationDeps, type RevokeInput, revoke } from './revoke-target.ts';
export { revocationService } from './service.ts';
export { findRevocation } from './store.ts';
export { targetToProto } from './to-proto.ts';
