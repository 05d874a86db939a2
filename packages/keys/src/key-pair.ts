import { createPrivateKey, sign as signNow } from 'node:crypto';
import type { JWK } from 'jose';

/** Separate keys for separate powers: a stolen token key cannot forge its own non-revocation. */
export type KeyPurpose = 'token' | 'feed' | 'invite' | 'join' | 'log';
/** `root`, the platform's alone, certifies feed keys and is pinned by subscribers. */
export type StoredPurpose = KeyPurpose | 'root';
export type KeyAlg = 'ES256' | 'EdDSA' | 'RS256';

/** What a tenant is provisioned with. RS256 stands beside ES256 because OIDC Discovery §3 and CAEP receivers demand it. */
export const provisionedKeys: readonly { purpose: KeyPurpose; alg: KeyAlg }[] = [
  { purpose: 'token', alg: 'ES256' },
  { purpose: 'token', alg: 'RS256' },
  { purpose: 'feed', alg: 'ES256' },
  { purpose: 'invite', alg: 'ES256' },
  { purpose: 'join', alg: 'ES256' },
  { purpose: 'log', alg: 'EdDSA' },
];

export function defaultAlgOf(purpose: StoredPurpose): KeyAlg {
  // The log's checkpoints are C2SP signed notes, which are Ed25519.
  return purpose === 'log' ? 'EdDSA' : 'ES256';
}

/** Key generation and import, and signature parameters, of each algorithm (RFC 7518 §3.3, §3.4; RFC 8037 §3.1). */
const algorithms = {
  ES256: { key: { name: 'ECDSA', namedCurve: 'P-256' }, signature: { name: 'ECDSA', hash: 'SHA-256' } },
  EdDSA: { key: { name: 'Ed25519' }, signature: { name: 'Ed25519' } },
  RS256: {
    // 2048 bits is what RFC 7518 §3.3 asks for at least; more only slows the signing down.
    key: {
      name: 'RSASSA-PKCS1-v1_5',
      hash: 'SHA-256',
      modulusLength: 2048,
      publicExponent: Uint8Array.of(1, 0, 1),
    },
    signature: { name: 'RSASSA-PKCS1-v1_5' },
  },
} as const;

/** The members that a public key may have, besides those we set ourselves. */
const publicMembers = ['kty', 'crv', 'x', 'y', 'n', 'e'] as const;

export interface GeneratedKey {
  readonly publicJwk: JWK;
  /** PKCS #8. Lives only until it is wrapped. */
  readonly privateKey: Uint8Array;
}

export async function generateKey(kid: string, alg: KeyAlg): Promise<GeneratedKey> {
  const pair = (await crypto.subtle.generateKey(algorithms[alg].key, true, ['sign', 'verify'])) as CryptoKeyPair;
  const [exported, privateKey] = await Promise.all([
    crypto.subtle.exportKey('jwk', pair.publicKey),
    crypto.subtle.exportKey('pkcs8', pair.privateKey),
  ]);
  const members = publicMembers.flatMap((name) => (exported[name] === undefined ? [] : [[name, exported[name]]]));
  return {
    publicJwk: { ...Object.fromEntries(members), kid, alg, use: 'sig' },
    privateKey: new Uint8Array(privateKey),
  };
}

export interface Signer {
  /** A `key_…` id. */
  readonly kid: string;
  readonly alg: KeyAlg;
  /** The signature as a JWS carries it: ES256 is raw r‖s (RFC 7518 §3.4). */
  sign(data: Uint8Array): Promise<Uint8Array>;
  readonly publicJwk: JWK;
}

/** Imports a private key; what is answered signs, and gives the key to nobody. */
export async function openSigner(kid: string, alg: KeyAlg, publicJwk: JWK, pkcs8: Uint8Array): Promise<Signer> {
  return { kid, alg, publicJwk, sign: alg === 'RS256' ? await openSlow(alg, pkcs8) : openFast(alg, pkcs8) };
}

/** Some 20 µs in place: to hand it to another thread and come back takes longer. */
function openFast(alg: Exclude<KeyAlg, 'RS256'>, pkcs8: Uint8Array): Signer['sign'] {
  const key = createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' });
  // RFC 7518 §3.4; Ed25519 hashes by itself.
  const [hash, options] = alg === 'ES256' ? ['sha256', { key, dsaEncoding: 'ieee-p1363' as const }] : [null, { key }];
  return async (data) => new Uint8Array(signNow(hash, data, options));
}

/** Some 400 µs: meanwhile others are answered. */
async function openSlow(alg: 'RS256', pkcs8: Uint8Array): Promise<Signer['sign']> {
  const { key, signature } = algorithms[alg];
  const privateKey = await crypto.subtle.importKey('pkcs8', new Uint8Array(pkcs8), key, false, ['sign']);
  return async (data) => new Uint8Array(await crypto.subtle.sign(signature, privateKey, new Uint8Array(data)));
}
