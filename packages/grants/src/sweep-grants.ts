import type { Runtime } from '@mono-auth/core/runtime';
import type { Database } from '@mono-auth/database';
import { deleteDeviceCodes, deleteGrants, deletePushedRequests, deleteRefreshTokens } from './store/sweep.ts';

/** Rows deleted in one transaction: it must not hold up the inserts beside it. */
const sweptAtOnce = 5_000;

/**
 * Deletes what has expired: nothing of it could be presented with success. Refresh tokens before their grants.
 * @returns how many rows that were.
 */
export async function sweepGrants(deps: { database: Database; runtime: Runtime }): Promise<number> {
  const now = new Date(deps.runtime.nowMs());
  let swept = 0;
  for (const step of [deleteRefreshTokens, deleteDeviceCodes, deletePushedRequests, deleteGrants]) {
    for (;;) {
      const deleted = await deps.database.forPlatform('sweep what was granted and has expired', (tx) =>
        step(tx, now, sweptAtOnce),
      );
      swept += deleted;
      if (deleted < sweptAtOnce) break;
    }
  }
  return swept;
}
