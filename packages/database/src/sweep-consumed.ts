import type { Runtime } from '@mono-auth/core/runtime';
import type { Database } from './database.ts';

/** Rows deleted in one transaction: it must not hold up the inserts beside it. */
const sweptAtOnce = 5_000;

/**
 * Deletes what was consumed and could not be presented again anyway, because it has expired.
 * @returns how many rows that were.
 */
export async function sweepConsumed(deps: { database: Database; runtime: Runtime }): Promise<number> {
  const now = new Date(deps.runtime.nowMs());
  let swept = 0;
  for (;;) {
    const rows = await deps.database.forPlatform(
      'sweep what was consumed and has expired',
      (tx) =>
        tx.sql<{ kind: string }>`
        delete from mono.consumed where (tenant_id, kind, digest) in (
          select tenant_id, kind, digest from mono.consumed where expires_at < ${now} limit ${sweptAtOnce})
        returning kind`,
    );
    swept += rows.length;
    if (rows.length < sweptAtOnce) return swept;
  }
}
