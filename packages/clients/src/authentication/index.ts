export { authenticateClient } from '../authenticate-client.ts';
export { type NoteSecretUse, secretUseNoter } from '../secrets/match-secret.ts';
export { useUpAssertion, verifyAssertion } from './assertion.ts';
export type { InstanceProof } from './credentials.ts';
export { RemoteKeys } from './remote-keys.ts';
