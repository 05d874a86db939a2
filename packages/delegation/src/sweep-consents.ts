import type { Runtime } from '@mono-auth/core/runtime';
import type { Database } from '@mono-auth/database';
import { deleteEndedConsents } from './store.ts';

/**
 * How long a consent is kept when it has ended, milliseconds: a month, in which its person sees it in their list and a
 * repeated request finds its first answer. What was made by it lives a day at most and dies with it, so no token that is good
 * speaks of one that is gone. What happened stays in the log.
 */
const keptMs = 30 * 86_400_000;
/** Rows deleted in one transaction: it must not hold up the inserts beside it. */
const sweptAtOnce = 5_000;

/** Deletes consents that have ended for long. @returns how many rows that were. */
export async function sweepConsents(deps: { readonly database: Database; readonly runtime: Runtime }): Promise<number> {
  const before = new Date(deps.runtime.nowMs() - keptMs);
  for (let swept = 0; ; ) {
    const deleted = await deps.database.forPlatform('sweep consents that have ended for long', (tx) =>
      deleteEndedConsents(tx, before, sweptAtOnce),
    );
    swept += deleted;
    if (deleted < sweptAtOnce) return swept;
  }
}
