import type { UserId } from '@mono-auth/core/ids';
import type { Runtime } from '@mono-auth/core/runtime';
import type { TenantTx } from '@mono-auth/database';
import type { Grant } from './grant.ts';
import { selectUserGrants } from './store/grants.ts';

/** Most grants of one person that are shown at once: far more than anybody reads. */
const grantsShownMax = 200;

/** What a person allows which client now, newest first. */
export function listGrants(tx: TenantTx, runtime: Runtime, userId: UserId): Promise<Grant[]> {
  return selectUserGrants(tx, userId, runtime.nowMs(), grantsShownMax);
}
