import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto';
import { concatBytes, hex, utf8 } from '@mono-auth/core/encoding';
import { type Runtime, systemRuntime } from '@mono-auth/core/runtime';

/** Wraps private keys under a key-encryption key that never enters the database. A cloud KMS is a second driver of this port. */
export interface Kms {
  /** @param aad what the wrapped bytes belong to; they unwrap for exactly the same text. */
  wrap(plain: Uint8Array, aad: string): Promise<Uint8Array>;
  /** @throws Error when the bytes, the associated data or the key-encryption key differ from those of `wrap`. */
  unwrap(wrapped: Uint8Array, aad: string): Promise<Uint8Array>;
  /** A value that tells key-encryption keys apart and reveals nothing of them. */
  checkValue(): Promise<string>;
}

/** AES-256 takes 32 bytes (FIPS 197). */
export const kekBytes = 32;
/** First byte of wrapped keys, so that another construction can follow without a guess. */
const version = 1;
/** 96 bits, the length GCM is defined for; random, because a key wraps far fewer than 2^32 values (NIST SP 800-38D §8.3). */
const nonceBytes = 12;
const tagBytes = 16;

/**
 * The local driver: AES-256-GCM under a key held in this process. Wrapped form: version ‖ nonce ‖ ciphertext ‖ tag.
 * @param kek 32 bytes.
 */
export function createLocalKms(kek: Uint8Array, runtime: Runtime = systemRuntime): Kms {
  if (kek.length !== kekBytes) throw new TypeError(`a key-encryption key has ${kekBytes} bytes, not ${kek.length}`);
  const derive = (label: string) => new Uint8Array(hkdfSync('sha256', kek, new Uint8Array(), utf8(label), kekBytes));
  // The key-encryption key serves other derivations too (database logins), so wrapping gets a key of its own.
  const wrappingKey = derive('mono-auth/wrap');
  return {
    async wrap(plain, aad) {
      const nonce = runtime.randomBytes(nonceBytes);
      const cipher = createCipheriv('aes-256-gcm', wrappingKey, nonce, { authTagLength: tagBytes }).setAAD(utf8(aad));
      const sealed = concatBytes(cipher.update(plain), cipher.final());
      return concatBytes(Uint8Array.of(version), nonce, sealed, cipher.getAuthTag());
    },
    async unwrap(wrapped, aad) {
      if (wrapped[0] !== version || wrapped.length < 1 + nonceBytes + tagBytes) {
        throw new Error('the wrapped key has an unknown form');
      }
      const nonce = wrapped.subarray(1, 1 + nonceBytes);
      const cipher = createDecipheriv('aes-256-gcm', wrappingKey, nonce, { authTagLength: tagBytes });
      cipher.setAAD(utf8(aad)).setAuthTag(wrapped.subarray(-tagBytes));
      try {
        return concatBytes(cipher.update(wrapped.subarray(1 + nonceBytes, -tagBytes)), cipher.final());
      } catch (cause) {
        throw new Error('the wrapped key does not belong here, or the key-encryption key is another one', { cause });
      }
    },
    checkValue: async () => hex(derive('mono-auth/kek-check')).slice(0, 32),
  };
}
