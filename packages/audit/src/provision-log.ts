import type { TenantId } from '@mono-auth/core/ids';
import { logSigner, signCheckpoint } from './log-key.ts';
import type { LogDeps } from './seal-tenant.ts';
import { insertTree } from './store.ts';

interface NewTenant {
  readonly id: TenantId;
  readonly incarnation: number;
}

/**
 * The empty log of a new tenant with its first signed checkpoint, of size 0. A step of provisioning that runs after the
 * one that made the tenant's keys is committed. Repeating it changes nothing.
 */
export function auditProvisionStep(deps: LogDeps): { name: string; finish(tenant: NewTenant): Promise<void> } {
  return {
    name: 'audit',
    async finish({ id, incarnation }) {
      const origin = await deps.originOf(id);
      const signer = await logSigner(deps.keys, id);
      const empty = { origin, incarnation, size: 0, frontier: [] };
      const tree = { ...empty, note: await signCheckpoint(signer, id, empty) };
      await deps.database.forTenant(id, (tx) => insertTree(tx, tree, deps.runtime.nowMs()));
    },
  };
}
