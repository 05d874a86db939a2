import { isId, type TenantId } from '@mono-auth/core/ids';
import type { Runtime } from '@mono-auth/core/runtime';
import { issuerOf } from '@mono-auth/core/tenant-slug';
import type { Database } from '@mono-auth/database';
import { LRUCache } from 'lru-cache';
import { selectTenantById, selectTenantBySlug, selectTenants } from './store.ts';
import type { Tenant, TenantRecord } from './tenant.ts';

/** Maps slugs and ids to tenants. Answers active tenants from memory; what matters at a grant is read again there. */
export interface TenantDirectory {
  bySlug(slug: string): Promise<Tenant | undefined>;
  byId(id: TenantId): Promise<Tenant | undefined>;
  /** By whichever of the two a client has named it. */
  find(name: string): Promise<Tenant | undefined>;
  /** Reads the active tenants ahead, so that a first request costs no look-up. */
  warm(): Promise<void>;
  forget(tenant: Pick<Tenant, 'id' | 'slug'>): void;
}

/** Tenants held in memory: some 300 bytes each. */
const tenantsMax = 10_000;
/** How long an unknown name stays unknown (interfaces: negative answers 5 s), so that guessing costs us little. */
const unknownTtlMs = 5_000;
const unknownMax = 10_000;

export function createTenantDirectory(deps: {
  database: Database;
  runtime: Runtime;
  baseUrl: string;
}): TenantDirectory {
  const cache = new LRUCache<string, Tenant>({ max: tenantsMax * 2 });
  const unknown = new LRUCache<string, number>({ max: unknownMax });

  const remember = (record: TenantRecord): Tenant => {
    const tenant = { ...record, issuer: issuerOf(deps.baseUrl, record.slug) };
    // One that is still being made, or is suspended, is asked for again: its status is about to change.
    if (record.status === 'active') {
      cache.set(record.slug, tenant);
      cache.set(record.id, tenant);
    }
    return tenant;
  };

  const lookUp = async (name: string, read: () => Promise<TenantRecord | undefined>): Promise<Tenant | undefined> => {
    const hit = cache.get(name);
    if (hit) return hit;
    const until = unknown.get(name);
    if (until !== undefined && until > deps.runtime.nowMs()) return undefined;
    const record = await read();
    if (record) return remember(record);
    unknown.set(name, deps.runtime.nowMs() + unknownTtlMs);
    return undefined;
  };

  const bySlug = (slug: string) =>
    lookUp(slug, () => deps.database.forPlatform('resolve a slug', (tx) => selectTenantBySlug(tx, slug)));
  const byId = (id: TenantId) =>
    lookUp(id, () => deps.database.forPlatform('resolve a tenant id', (tx) => selectTenantById(tx, id)));

  return {
    bySlug,
    byId,
    find: (name) => (isId('ten', name) ? byId(name) : bySlug(name)),
    async warm() {
      const records = await deps.database.forPlatform('read the directory ahead', (tx) =>
        selectTenants(tx, undefined, tenantsMax),
      );
      for (const record of records) remember(record);
    },
    forget(tenant) {
      for (const name of [tenant.slug, tenant.id]) {
        cache.delete(name);
        unknown.delete(name);
      }
    },
  };
}
