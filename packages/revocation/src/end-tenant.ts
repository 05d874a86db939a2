import { notFound } from '@mono-auth/core/errors';
import type { RevocationId, TenantId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import type { NewEntry } from '@mono-auth/feed';
import { type RevocationDeps, revokeWithin } from './revoke-target.ts';
import { findRevocation } from './store.ts';
import { toReceipt } from './to-proto.ts';
import { waitForReceipt } from './wait-for-receipt.ts';

/**
 * Ends every token and session of a tenant as a part of another change: what the rotation of a compromised key is handed in
 * the composition.
 */
export function tenantEnding(deps: RevocationDeps) {
  return {
    /** In the transaction of that change, whose feed entries go along. */
    async within(tx: TenantTx, call: Call, reason: string, alongside: readonly NewEntry[]): Promise<RevocationId> {
      const { id } = await revokeWithin(deps, tx, call, { target: { kind: 'tenant' }, reason }, alongside);
      return id;
    },
    /** Who enforces it, in the words of the contract; waits as long as it may for everybody. */
    async receipt(tenantId: TenantId, id: RevocationId, wait: { waitMs: number; signal?: AbortSignal | undefined }) {
      const revocation = await deps.database.forTenant(tenantId, (tx) => findRevocation(tx, id));
      if (!revocation) throw notFound('revocation');
      return toReceipt(await waitForReceipt(deps, tenantId, revocation, wait));
    },
  };
}
