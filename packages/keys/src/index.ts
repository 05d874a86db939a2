export { checkKek } from './check-kek.ts';
export { type JwtExpectation, signJwt, verifyJwt } from './jwt.ts';
export { readKek } from './kek.ts';
export type { KeyChange, KeyMove, KeyRecord, KeyState } from './key-life.ts';
export { defaultKeyLife, type KeyLifePolicy, type RotatedPurpose } from './key-life-policy.ts';
export type { KeyAlg, KeyPurpose, Signer, StoredPurpose } from './key-pair.ts';
export type { KeyOwner } from './key-reader.ts';
export { type Keyring, type KeyringDeps, openKeyring } from './keyring.ts';
export { createLocalKms, type Kms } from './kms.ts';
