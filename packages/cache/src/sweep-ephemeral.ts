import type { Runtime } from '@mono-auth/core/runtime';
import type { Database } from '@mono-auth/database';
import { deleteExpired } from './store.ts';

/** Rows deleted by one statement: short enough that nobody waits for its locks. */
const batchRows = 5_000;

/** Deletes the entries of all tenants that have expired. Reading never answers them anyway: this gives back their room. */
export async function sweepEphemeral(deps: { database: Database; runtime: Runtime }): Promise<number> {
  const nowMs = deps.runtime.nowMs();
  for (let swept = 0; ; ) {
    const deleted = await deps.database.forPlatform('sweep of expired ephemeral entries', (tx) =>
      deleteExpired(tx, nowMs, batchRows),
    );
    swept += deleted;
    if (deleted < batchRows) return swept;
  }
}
