import { createPublicKey, verify } from 'node:crypto';
import { base64url, concatBytes, hex, utf8 } from '@mono-auth/core/encoding';
import { Refusal } from '@mono-auth/core/errors';
import { base64, fromBase64 } from './base64.ts';
import { sha256 } from './hash.ts';

// C2SP signed-note §Signature types: Ed25519 is 0x01.
const ed25519Type = Uint8Array.of(0x01);
const ed25519PublicKeyBytes = 32;

/** An Ed25519 key that notes are verified with (C2SP signed-note §Verifier keys). */
export interface VerifierKey {
  /** For a log: its origin. */
  readonly name: string;
  /** Eight lower-case hex digits. */
  readonly keyId: string;
  readonly publicKey: Uint8Array;
}

/** C2SP signed-note: SHA-256(name ‖ 0x0A ‖ 0x01 ‖ public key), the first four bytes. */
export function verifierKey(name: string, publicKey: Uint8Array): VerifierKey {
  if (!isKeyName(name)) throw new Refusal('invalid_request', 'key name: one or more characters, no spaces, no plus');
  if (publicKey.length !== ed25519PublicKeyBytes)
    throw new Refusal('invalid_request', 'public key: not an Ed25519 key');
  const digest = sha256(utf8(name), Uint8Array.of(0x0a), ed25519Type, publicKey);
  return { name, keyId: hex(digest.subarray(0, 4)), publicKey };
}

/** The text form `name+keyid+base64(0x01 ‖ public key)`, called vkey. */
export function formatVerifierKey(key: VerifierKey): string {
  return `${key.name}+${key.keyId}+${base64(concatBytes(ed25519Type, key.publicKey))}`;
}

/** @throws Refusal `invalid_request` unless `vkey` is the text form of an Ed25519 key with its own key id. */
export function parseVerifierKey(vkey: string): VerifierKey {
  const [, name = '', keyId, encoded = ''] = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/u.exec(vkey) ?? [];
  const material = fromBase64(encoded);
  if (material === undefined || material[0] !== ed25519Type[0])
    throw new Refusal('invalid_request', 'vkey: not an Ed25519 verifier key');
  const key = verifierKey(name, material.subarray(1));
  if (key.keyId !== keyId) throw new Refusal('invalid_request', 'vkey: the key id is not that of the key');
  return key;
}

/** Unicode spaces and plus would make a signature line or a vkey ambiguous. */
export function isKeyName(name: string): boolean {
  return name.length > 0 && name.isWellFormed() && !/[\s\u0085+]/u.test(name);
}

export function verifyEd25519(key: VerifierKey, message: Uint8Array, signature: Uint8Array): boolean {
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: base64url(key.publicKey) };
  try {
    return verify(null, message, createPublicKey({ key: jwk, format: 'jwk' }), signature);
  } catch {
    // Bytes that are no point of the curve verify nothing.
    return false;
  }
}
