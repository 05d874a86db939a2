import type { SessionId, TenantId, UserId } from '@mono-auth/core/ids';
import type { Database } from '@mono-auth/database';
import { sessionTtlSeconds } from './session-policy.ts';
import { isUserActive, type StoredSession, selectSession } from './store.ts';

/**
 * What whoever makes tokens asks about people and sessions, as their rows have it. It reads through this package's own
 * connections and opens no transaction, so that it may be asked inside one.
 */
export function openPeople(database: Database) {
  return {
    /** Whether it still lives, the tenant's epoch and the feed say. */
    async findSession(tenantId: TenantId, id: SessionId): Promise<StoredSession | undefined> {
      const stored = await selectSession(database.identityPool(tenantId), id);
      // No update prolongs a session beyond its absolute lifetime, whatever the row's own expiry says.
      return (
        stored && {
          ...stored,
          expiresAtMs: Math.min(stored.expiresAtMs, stored.createdAtMs + sessionTtlSeconds * 1000),
        }
      );
    },
    isActive: (tenantId: TenantId, id: UserId): Promise<boolean> => isUserActive(database.identityPool(tenantId), id),
  };
}
