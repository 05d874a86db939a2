import { createHash } from 'node:crypto';
import { base64url, utf8 } from '@mono-auth/core/encoding';
import { type ClientId, type Id, newId } from '@mono-auth/core/ids';
import type { Runtime } from '@mono-auth/core/runtime';

/** A secret as it is kept: never the secret itself. */
export interface ClientSecret {
  readonly id: Id<'sec'>;
  readonly clientId: ClientId;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  /** Kept to the minute. */
  readonly lastUsedAtMs: number | undefined;
}

/** A secret when it is made: the only time that it can be shown. */
export interface FreshSecret {
  readonly secret: ClientSecret;
  readonly text: string;
  readonly digest: Uint8Array;
}

/** Tells a scanner of source code and logs what it has found. */
const prefix = 'mono_cs_';
/** 256 bits, bytes: nobody guesses them, so one SHA-256 is digest enough. */
const secretBytes = 32;

export function freshSecret(runtime: Runtime, clientId: ClientId, ttlSeconds: number): FreshSecret {
  const text = `${prefix}${base64url(runtime.randomBytes(secretBytes))}`;
  const createdAtMs = runtime.nowMs();
  const secret = {
    id: newId(runtime, 'sec'),
    clientId,
    createdAtMs,
    expiresAtMs: createdAtMs + ttlSeconds * 1000,
    lastUsedAtMs: undefined,
  };
  return { secret, text, digest: secretDigest(text) };
}

export function secretDigest(text: string): Uint8Array {
  return new Uint8Array(createHash('sha256').update(utf8(text)).digest());
}
