import { isDeepStrictEqual } from 'node:util';
import { append } from '@mono-auth/audit';
import { Refusal } from '@mono-auth/core/errors';
import type { Call } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import { policyOf, readPolicy, type SecurityPolicy, type VersionedPolicy } from './security-policy.ts';
import { lockSecurityPolicy, selectSecurityPolicy, upsertSecurityPolicy } from './store.ts';

/** The ceilings of the tenant of this transaction, its own or the defaults. */
export async function readSecurityPolicy(tx: TenantTx): Promise<SecurityPolicy> {
  return policyOf(await selectSecurityPolicy(tx)).policy;
}

/**
 * Sets the ceilings of the tenant. A repetition of what was set last changes nothing.
 * @throws Refusal `invalid_request` naming the field; `stale_version` when they have changed since `version`.
 */
export async function updateSecurityPolicy(
  tx: TenantTx,
  call: Call,
  change: { readonly policy: SecurityPolicy; readonly version: number },
): Promise<VersionedPolicy> {
  const policy = readPolicy(change.policy);
  await lockSecurityPolicy(tx);
  const before = policyOf(await selectSecurityPolicy(tx));
  if (before.version === change.version + 1 && isDeepStrictEqual(before.policy, policy)) return before;
  if (before.version !== change.version) throw new Refusal('stale_version', `version: is ${before.version} by now`);
  const after = { policy, version: before.version + 1 };
  await upsertSecurityPolicy(tx, after, call.runtime.nowMs());
  await append(tx, call, {
    type: 'tenant.security_policy_updated',
    object: { kind: 'tenant', id: tx.tenantId },
    detail: { version: after.version, changed: changedFields(before.policy, policy).join(' ') },
  });
  return after;
}

function changedFields(before: SecurityPolicy, after: SecurityPolicy): string[] {
  return (Object.keys(after) as (keyof SecurityPolicy)[]).filter(
    (name) => !isDeepStrictEqual(before[name], after[name]),
  );
}
