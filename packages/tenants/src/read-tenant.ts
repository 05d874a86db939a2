import { notFound } from '@mono-auth/core/errors';
import type { TenantTx } from '@mono-auth/database';
import { incrementEpoch, selectOwnTenant } from './store.ts';
import type { TenantRecord } from './tenant.ts';

/**
 * The tenant of this transaction, fresh from its row.
 * @throws Refusal `not_found`.
 */
export async function readTenant(tx: TenantTx): Promise<TenantRecord> {
  const tenant = await selectOwnTenant(tx);
  if (!tenant) throw notFound('tenant');
  return tenant;
}

/** Ends every session and token made before: one write. The caller appends the feed entry in the same transaction. */
export async function advanceEpoch(tx: TenantTx): Promise<number> {
  const epoch = await incrementEpoch(tx);
  if (epoch === undefined) throw notFound('tenant');
  return epoch;
}
