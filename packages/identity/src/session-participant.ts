import { notFound } from '@mono-auth/core/errors';
import type { Runtime } from '@mono-auth/core/runtime';
import type { Database, TenantTx } from '@mono-auth/database';
import type { Casualty, RevocationParticipant, RevocationTarget } from '@mono-auth/revocation';
import { memberRole, readTenant } from '@mono-auth/tenants';
import { queueLogouts } from './logout/queue-logouts.ts';
import { countSessions, deleteSession, deleteUserSessions, selectSession } from './store.ts';

/**
 * What a revocation does to sessions. The feed decides (`readSession` asks it each time); deleting the row only follows
 * the commit. A tenant's sessions die by its epoch, all at once and without being touched.
 */
export function sessionParticipant(deps: {
  readonly database: Database;
  readonly runtime: Runtime;
}): RevocationParticipant {
  const casualties = async (tx: TenantTx, target: RevocationTarget): Promise<Casualty[]> => {
    const pool = deps.database.identityPool(tx.tenantId);
    if (target.kind === 'session') {
      if (!(await selectSession(pool, target.id))) throw notFound('session');
      return [{ kind: 'session', count: 1 }];
    }
    if (target.kind !== 'tenant' && target.kind !== 'user') return [];
    const { epoch } = await readTenant(tx);
    const userId = target.kind === 'user' ? target.id : undefined;
    if (userId && !(await memberRole(tx, userId))) throw notFound('user');
    return [{ kind: 'session', count: await countSessions(pool, deps.runtime.nowMs(), epoch, userId) }];
  };
  return {
    kind: 'session',
    preview: casualties,
    async apply(tx, _call, target) {
      const counted = await casualties(tx, target);
      if (target.kind === 'session') {
        await queueLogouts(tx, deps.runtime, { sessionId: target.id });
        tx.afterCommit(() => deleteSession(deps.database.identityPool(tx.tenantId), target.id));
      } else if (target.kind === 'user') {
        await queueLogouts(tx, deps.runtime, { userId: target.id });
        tx.afterCommit(() => deleteUserSessions(deps.database.identityPool(tx.tenantId), target.id));
      }
      return counted;
    },
  };
}
