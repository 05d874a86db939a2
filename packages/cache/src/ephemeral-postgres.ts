import type { TenantId } from '@mono-auth/core/ids';
import type { Runtime } from '@mono-auth/core/runtime';
import type { Database, TenantTx } from '@mono-auth/database';
import { checkChannel, checkEntry, checkHint, checkValue, type Ephemeral } from './ephemeral.ts';
import { addOne, deleteEntry, insertOnce, keepIncarnation, readValue, takeValue, writeValue } from './store.ts';

/** The driver for installations without Redis: an unlogged table and NOTIFY. Close it before its database. */
export function createPostgresEphemeral(deps: { database: Database; runtime: Runtime }): Ephemeral {
  const { database, runtime } = deps;
  const subscriptions = new Set<() => void>();

  /** Checks what the caller hands over before a connection is taken for it. */
  async function run<T>(
    tenantId: TenantId,
    kind: string,
    ttlMs: number | undefined,
    work: (tx: TenantTx, nowMs: number) => Promise<T>,
  ): Promise<T> {
    checkEntry(kind, ttlMs);
    return database.forTenant(tenantId, (tx) => work(tx, runtime.nowMs()));
  }

  const incarnationNow = () =>
    database.forPlatform('incarnation of the ephemeral store', (tx) => keepIncarnation(tx, runtime.uuid()));

  return {
    incarnation: incarnationNow,
    async consumeOnce(tenantId, kind, key, ttlMs, incarnation) {
      const first = await run(tenantId, kind, ttlMs, (tx, nowMs) => insertOnce(tx, { kind, key }, nowMs, ttlMs));
      // Asked after the insertion: a loss in between has changed it.
      return first && (incarnation === undefined || incarnation === (await incarnationNow()));
    },
    count: (tenantId, kind, key, windowMs) =>
      run(tenantId, kind, windowMs, (tx, nowMs) => addOne(tx, { kind, key }, nowMs, windowMs)),
    async uncount(tenantId, kind, key) {
      await run(tenantId, kind, undefined, (tx) => deleteEntry(tx, { kind, key }));
    },
    get: (tenantId, kind, key) => run(tenantId, kind, undefined, (tx, nowMs) => readValue(tx, { kind, key }, nowMs)),
    async set(tenantId, kind, key, value, ttlMs) {
      checkValue(kind, value);
      await run(tenantId, kind, ttlMs, (tx, nowMs) => writeValue(tx, { kind, key }, value, nowMs, ttlMs));
    },
    take: (tenantId, kind, key) => run(tenantId, kind, undefined, (tx, nowMs) => takeValue(tx, { kind, key }, nowMs)),
    async publish(channel, payload) {
      checkHint(channel, payload);
      await database.notify(channel, payload);
    },
    async subscribe(channel, heard) {
      checkChannel(channel);
      const stop = await database.listen(channel, heard);
      const end = () => {
        subscriptions.delete(end);
        stop();
      };
      subscriptions.add(end);
      return end;
    },
    async close() {
      for (const end of subscriptions) end();
    },
  };
}
