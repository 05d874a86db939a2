import { createHash, createHmac } from 'node:crypto';
import { base64url, fromBase64url, utf8 } from '@mono-auth/core/encoding';
import type { Runtime } from '@mono-auth/core/runtime';

/**
 * Opaque credentials: a prefix that says what it is, so that scanners of leaked secrets know it, and 32 random bytes. Of
 * so many bits a plain SHA-256 is all that has to be stored.
 */
const credentialPrefixes = { refreshToken: 'mono_rt_', deviceCode: 'mono_dc_' } as const;

type CredentialKind = keyof typeof credentialPrefixes;

const randomLength = 32;

export function newCredential(runtime: Runtime, kind: CredentialKind): string {
  return credentialPrefixes[kind] + base64url(runtime.randomBytes(randomLength));
}

/** What is stored of a credential; undefined for a text that can be none of this kind: one credential has one spelling. */
export function credentialDigest(kind: CredentialKind, text: string): Uint8Array | undefined {
  const prefix = credentialPrefixes[kind];
  if (!text.startsWith(prefix)) return undefined;
  try {
    return fromBase64url(text.slice(prefix.length)).length === randomLength ? sha256(text) : undefined;
  } catch {
    return undefined;
  }
}

export function sha256(text: string): Uint8Array {
  return createHash('sha256').update(utf8(text)).digest();
}

/** For what a person types: a plain digest of so few letters could be searched. */
export function keyedDigest(key: Uint8Array, text: string): Uint8Array {
  return createHmac('sha256', key).update(utf8(text)).digest();
}
