import { base64url, equalBytes } from '@mono-auth/core/encoding';
import { Refusal } from '@mono-auth/core/errors';
import type { Runtime } from '@mono-auth/core/runtime';
import { secretDigest } from '../secrets/client-secret.ts';

/** Tells a scanner of source code and logs what it has found. */
const prefix = 'mono_rat_';
/** 256 bits, bytes: nobody guesses them, so one SHA-256 is digest enough. */
const tokenBytes = 32;
/** RFC 6750 §2.1, and no longer than what we make. */
const bearer = /^bearer +([A-Za-z0-9._~+/-]{1,200}=*)$/i;
/** What nobody's token is compared with: the work is the same, and no token has this digest. */
const noDigest = new Uint8Array(32);

/** A registration access token (RFC 7592 §3), shown once; only its digest is kept. */
export function freshRegistrationToken(runtime: Runtime): { readonly text: string; readonly digest: Uint8Array } {
  const text = `${prefix}${base64url(runtime.randomBytes(tokenBytes))}`;
  return { text, digest: secretDigest(text) };
}

/** The token of an Authorization header. @throws Refusal `not_authenticated`. */
export function readBearer(authorization: string | null): string {
  const token = authorization === null ? undefined : bearer.exec(authorization)?.[1];
  if (token === undefined) throw registrationDenied('no bearer token');
  return token;
}

export function isRegistrationToken(token: string, kept: Uint8Array | undefined): boolean {
  return equalBytes(kept ?? noDigest, secretDigest(token));
}

/** Missing, unknown, used, expired, revoked, another tenant's: one text for all. `cause` is logged alone. */
export function registrationDenied(cause: string): Refusal {
  return new Refusal('not_authenticated', 'the registration needs a valid token', { cause });
}
