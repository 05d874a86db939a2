export { checkKek } from './check-kek.ts';
export { type JwtExpectation, signJwt, verifyJwt } from './jwt.ts';
export { readKek } from './kek.ts';
export type { KeyAlg, KeyPurpose, Signer } from './key-pair.ts';
export { type KeyOwner, type Keyring, type KeyringDeps, openKeyring } from './keyring.ts';
export { createLocalKms, type Kms } from './kms.ts';
