import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { utf8 } from '@mono-auth/core/encoding';
import type { JWK } from 'jose';

/** Read keys, as long as somebody holds what they were read from. */
const keys = new WeakMap<JWK, KeyObject>();
/** RFC 7518 §3.4: r and s, 32 bytes each. */
const es256Bytes = 64;

/**
 * Whether the key has made this signature (RFC 7515 §5.2), found out in place: some 50 µs for ES256, more when another thread is
 * asked.
 * @param alg one of a tenant's keys; what the key itself does not bear out is no signature.
 */
export function isSignedBy(jwk: JWK, alg: string, signedText: string, signature: Uint8Array): boolean {
  const key = keyOf(jwk);
  const data = utf8(signedText);
  switch (alg) {
    case 'ES256':
      return (
        key.asymmetricKeyDetails?.namedCurve === 'prime256v1' &&
        signature.length === es256Bytes &&
        verify('sha256', data, { key, dsaEncoding: 'ieee-p1363' }, signature)
      );
    case 'RS256':
      return key.asymmetricKeyType === 'rsa' && verify('sha256', data, key, signature);
    case 'EdDSA':
      return key.asymmetricKeyType === 'ed25519' && verify(null, data, key, signature);
    default:
      return false;
  }
}

function keyOf(jwk: JWK): KeyObject {
  const known = keys.get(jwk);
  if (known) return known;
  const key = createPublicKey({ key: jwk, format: 'jwk' });
  keys.set(jwk, key);
  return key;
}
