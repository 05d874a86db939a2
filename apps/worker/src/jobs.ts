import type { TenantId } from '@mono-auth/core/ids';

/** What the jobs do, handed over by who composes: the worker itself holds no rule of any capability. */
export interface WorkerJobs {
  /** Tenants with audit events that are not in their log yet. */
  unsealedTenants(): Promise<readonly TenantId[]>;
  /** Seals what a tenant has to seal and answers how many events that were. Bears to run twice at once. */
  sealTenant(tenantId: TenantId): Promise<number>;
  /** Moves on the signing keys whose time has come. Bears to run twice at once. */
  moveKeys(): Promise<unknown>;
  /** Tenants with a logout token to send. */
  tenantsWithLogouts(): Promise<readonly TenantId[]>;
  /** Sends the logout tokens of a tenant that are due. Bears to run twice at once. */
  deliverLogouts(tenantId: TenantId): Promise<number>;
  /** Deletes what has expired. */
  sweep(): Promise<unknown>;
}

/** Tenants sealed at once by one worker: each holds a database connection for its transaction. */
const sealedAtOnce = 4;

/**
 * One round over all tenants. A tenant that fails does not hold up the others.
 * @returns how many events were sealed.
 * @throws AggregateError of the tenants that failed, after the others are done.
 */
export async function sealAll(jobs: Pick<WorkerJobs, 'unsealedTenants' | 'sealTenant'>): Promise<number> {
  const waiting = [...(await jobs.unsealedTenants())];
  const failures: unknown[] = [];
  let sealed = 0;
  const lane = async (): Promise<void> => {
    for (let tenantId = waiting.shift(); tenantId !== undefined; tenantId = waiting.shift()) {
      try {
        const leaves = await jobs.sealTenant(tenantId);
        sealed += leaves;
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: sealedAtOnce }, lane));
  if (failures.length > 0) throw new AggregateError(failures, `${failures.length} tenants could not be sealed`);
  return sealed;
}
