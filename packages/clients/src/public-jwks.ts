import { createPublicKey } from 'node:crypto';
import { fromBase64url } from '@mono-auth/core/encoding';
import { Refusal } from '@mono-auth/core/errors';
import type { JWK } from 'jose';
import * as z from 'zod';
import type { PublicJwks } from './client.ts';

/** Keys of one client: a current and a next one for each of a few machines. */
const keysMax = 8;
/** Longest `kid`: a SHA-256 thumbprint has 43 characters. */
const kidCharsMax = 128;
/** RSA moduli: below, factoring comes within reach (NIST SP 800-131A); above, each verification costs us too much. */
const rsaBitsMin = 2048;
const rsaBitsMax = 4096;
/** 65537. Small exponents verify forgeries (e=1 verifies anything), so no other is taken. */
const rsaExponent = 'AQAB';

/** RFC 7518 §6.2.2, §6.3.2 and §6.4.1: members that only a private or a symmetric key has. */
const secretMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];

const use = { use: z.literal('sig').optional(), kid: z.string().min(1).max(kidCharsMax) };
const coordinate = z.string().max(64);
/** One signature algorithm for each kind of key, so that `alg` leaves nothing to choose. */
const publicJwk = z.discriminatedUnion('kty', [
  z.object({
    ...use,
    kty: z.literal('EC'),
    alg: z.literal('ES256').default('ES256'),
    crv: z.literal('P-256'),
    x: coordinate,
    y: coordinate,
  }),
  z.object({
    ...use,
    kty: z.literal('OKP'),
    alg: z.literal('EdDSA').default('EdDSA'),
    crv: z.literal('Ed25519'),
    x: coordinate,
  }),
  z.object({
    ...use,
    kty: z.literal('RSA'),
    alg: z.literal('RS256').default('RS256'),
    n: z.string().max(1024),
    e: z.literal(rsaExponent),
  }),
]);
const keySet = z.object({ keys: z.array(z.record(z.string(), z.unknown())).min(1).max(keysMax) });

/**
 * Reads a public JWK set from outside (RFC 7517 §5). Libraries take keys that verify forgeries; this does not: RSA of
 * 2048 to 4096 bits with e=65537, EC points on P-256, Ed25519; `kid` on every key and each once; `use` and `alg` as the
 * key has them; nothing private, nothing symmetric. Members that do not make the key are dropped.
 * @throws Refusal `invalid_request` naming `field` and the key.
 */
export function readPublicJwks(value: unknown, field: string): PublicJwks {
  const set = keySet.safeParse(value);
  if (!set.success) throw refuse(field, `a JWK set has 1 to ${keysMax} keys`);
  const keys = set.data.keys.map((key, at) => readKey(key, `${field}.keys[${at}]`));
  if (new Set(keys.map(({ kid }) => kid)).size < keys.length) throw refuse(field, 'two keys have the same kid');
  return { keys };
}

function readKey(value: Record<string, unknown>, field: string): JWK {
  const secret = secretMembers.find((member) => Object.hasOwn(value, member));
  if (secret !== undefined) throw refuse(field, `has the secret member ${secret}: send the public key alone`);
  const read = publicJwk.safeParse(value);
  if (!read.success) {
    const [first] = read.error.issues;
    throw refuse(field, `${first?.path.join('.') || 'kty'}: not a key of ES256 (P-256), EdDSA (Ed25519) or RS256`);
  }
  const jwk: JWK = { ...read.data, use: 'sig' };
  try {
    for (const member of [jwk.x, jwk.y, jwk.n]) if (member !== undefined) fromBase64url(member);
    const { asymmetricKeyDetails } = createPublicKey({ key: { ...jwk }, format: 'jwk' });
    const bits = asymmetricKeyDetails?.modulusLength;
    if (jwk.kty === 'RSA' && (bits === undefined || bits < rsaBitsMin || bits > rsaBitsMax)) {
      throw refuse(field, `an RSA key has ${rsaBitsMin} to ${rsaBitsMax} bits`);
    }
  } catch (cause) {
    if (cause instanceof Refusal) throw cause;
    throw refuse(field, 'is no point of its curve or no number', cause);
  }
  return jwk;
}

function refuse(field: string, why: string, cause?: unknown): Refusal {
  return new Refusal('invalid_request', `${field}: ${why}`, { cause });
}
