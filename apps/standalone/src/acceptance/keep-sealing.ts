import type { ControlPlane } from '@mono-auth/control-plane';
import { systemRuntime } from '@mono-auth/core/runtime';

/** A real installation's worker does it every second; nobody here wants to wait so long. */
const sealEveryMs = 200;

/**
 * Seals as the worker of an installation does.
 * @returns what ends it, and waits for the round under way: its database may be closed then.
 */
export function keepSealing({ jobs }: Pick<ControlPlane, 'jobs'>): () => Promise<void> {
  const ended = new AbortController();
  const rounds = (async () => {
    while (!ended.signal.aborted) {
      for (const tenantId of await jobs.unsealedTenants()) await jobs.sealTenant(tenantId);
      await systemRuntime.sleep(sealEveryMs);
    }
  })();
  return async () => {
    ended.abort();
    await rounds;
  };
}
