import { readPublicJwks } from '@mono-auth/clients';
import { Refusal } from '@mono-auth/core/errors';
import { calculateJwkThumbprint, type JWK } from 'jose';

/** A host's public key and its RFC 7638 thumbprint. */
export interface HostKey {
  readonly jwk: JWK;
  readonly jkt: string;
}

/**
 * Reads the public key that a host has made: ES256 or EdDSA, which every machine makes in no time. Without a `kid` it
 * gets its thumbprint as one.
 * @throws Refusal `invalid_request` naming `field`.
 */
export async function readHostKey(value: unknown, field: string): Promise<HostKey> {
  const given = { ...(value as object) } as JWK;
  if (given.kty === 'RSA') throw new Refusal('invalid_request', `${field}: a host has a key of ES256 or EdDSA`);
  const { keys } = readPublicJwks({ keys: [{ ...given, kid: given.kid ?? 'unnamed' }] }, field);
  const [jwk] = keys as [JWK];
  const jkt = await calculateJwkThumbprint(jwk);
  return { jwk: { ...jwk, kid: given.kid ?? jkt }, jkt };
}
