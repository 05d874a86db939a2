import { createHash } from 'node:crypto';
import { utf8 } from '@mono-auth/core/encoding';
import type { Manifest } from './manifest.ts';

/**
 * What an approval is bound to: SHA-256 of the manifest's canonical JSON, base64url, 43 characters. Derived whenever it is
 * needed and never stored, so that no row can say that something else was approved.
 */
export function manifestHash(manifest: Manifest): string {
  return createHash('sha256')
    .update(utf8(canonicalJson(manifest)))
    .digest('base64url');
}

/** JSON with the members of every object in the order of their names: a database keeps no order. Lists keep theirs. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_name, member: unknown) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );
}
