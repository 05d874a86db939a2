import { equalBytes } from '@mono-auth/core/encoding';
import type { ClientId, Id, TenantId } from '@mono-auth/core/ids';
import type { Runtime } from '@mono-auth/core/runtime';
import type { Database, TenantTx } from '@mono-auth/database';
import { LRUCache } from 'lru-cache';
import { selectDigests, updateLastUse } from '../store/secrets.ts';
import { secretDigest } from './client-secret.ts';

/** Keeps when a secret was last used. A hint: what it fails to write is written at a later use. */
export type NoteSecretUse = (tenantId: TenantId, id: Id<'sec'>, usedAtMs: number) => Promise<void>;

/** How exactly the last use is known, milliseconds: one write a minute for each secret, however busy its client is. */
const useGrainMs = 60_000;
/** Secrets whose last note is remembered; one that was forgotten is noted once more. */
const notedMax = 20_000;

/**
 * Which living secret of the client this is, if any. Every living one is compared, each in constant time and by its digest, so
 * that the time tells neither which one it was nor how much of it was right.
 * @param noteUse called after the commit: the decision itself writes nothing.
 */
export async function matchSecret(
  tx: TenantTx,
  runtime: Runtime,
  { clientId, text }: { readonly clientId: ClientId; readonly text: string },
  noteUse: NoteSecretUse,
): Promise<Id<'sec'> | undefined> {
  const nowMs = runtime.nowMs();
  const digest = secretDigest(text);
  const digests = await selectDigests(tx, clientId, nowMs);
  const [match] = digests.filter((secret) => secret.expiresAtMs > nowMs && equalBytes(secret.digest, digest));
  if (match) tx.afterCommit(() => noteUse(tx.tenantId, match.id, nowMs));
  return match?.id;
}

/** Writes the use in a small transaction of its own, once a minute for all who use the secret. */
export function secretUseNoter(database: Database): NoteSecretUse {
  const noted = new LRUCache<Id<'sec'>, number>({ max: notedMax });
  return async (tenantId, id, usedAtMs) => {
    const before = noted.get(id);
    if (before !== undefined && usedAtMs - before < useGrainMs) return;
    noted.set(id, usedAtMs);
    try {
      await database.forTenant(tenantId, (tx) => updateLastUse(tx, id, usedAtMs, useGrainMs));
    } catch (error) {
      noted.delete(id);
      throw error;
    }
  };
}
