import { append } from '@mono-auth/audit';
import { type ClientId, newId } from '@mono-auth/core/ids';
import type { Runtime } from '@mono-auth/core/runtime';
import type { Database, TenantTx } from '@mono-auth/database';
import { systemCaller, type Tenant, type TenantDirectory } from '@mono-auth/tenants';
import { clearExternalId, lockOverdue, selectTenantsWithOverdue } from '../store/registrations.ts';
import { endSecretsOf } from '../store/secrets.ts';
import { markRetired } from '../store.ts';

/** How long a client that came by itself waits for its approval, milliseconds: what nobody has missed in 30 days is idle. */
const waitsMsMax = 30 * 86_400_000;
/** Tenants of one round, and clients of one transaction: the next round goes on. */
const tenantsAtOnce = 100;
const clientsAtOnce = 100;

interface SweepDeps {
  readonly database: Database;
  readonly runtime: Runtime;
  readonly tenants: Pick<TenantDirectory, 'byId'>;
}

/**
 * Retires clients that came by themselves and that nobody has approved, with evidence. They never got a token, so there is
 * nothing else to end.
 * @returns how many.
 */
export async function sweepRegistrations({ database, runtime, tenants }: SweepDeps): Promise<number> {
  const before = new Date(runtime.nowMs() - waitsMsMax);
  const ids = await database.forPlatform('retire registrations that nobody approved', (tx) =>
    selectTenantsWithOverdue(tx, before, tenantsAtOnce),
  );
  let retired = 0;
  for (const id of ids) {
    const tenant = await tenants.byId(id);
    if (tenant) retired += await database.forTenant(id, (tx) => sweepTenant(tx, runtime, tenant, before));
  }
  return retired;
}

async function sweepTenant(tx: TenantTx, runtime: Runtime, tenant: Tenant, before: Date): Promise<number> {
  const overdue = await lockOverdue(tx, before, clientsAtOnce);
  for (const id of overdue) await retireOverdue(tx, runtime, tenant, id);
  return overdue.length;
}

async function retireOverdue(tx: TenantTx, runtime: Runtime, tenant: Tenant, id: ClientId): Promise<void> {
  await markRetired(tx, id);
  await endSecretsOf(tx, id, runtime.nowMs());
  await clearExternalId(tx, id);
  const call = { runtime, caller: systemCaller(tenant, newId(runtime, 'req')) };
  await append(tx, call, {
    type: 'client.retired',
    object: { kind: 'client', id },
    detail: { reason: 'nobody has approved it in 30 days' },
  });
}
