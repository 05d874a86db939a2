import { sealTenant, unsealedTenants } from '@mono-auth/audit';
import { sweepEphemeral } from '@mono-auth/cache';
import { notFound } from '@mono-auth/core/errors';
import type { TenantId } from '@mono-auth/core/ids';
import type { Runtime } from '@mono-auth/core/runtime';
import { issuerOf, logOriginOf, platformSlug } from '@mono-auth/core/tenant-slug';
import { Database, deriveDatabaseSecrets, sweepConsumed } from '@mono-auth/database';
import { checkKek, createLocalKms, openKeyring } from '@mono-auth/keys';
import { createTenantDirectory, type Tenant } from '@mono-auth/tenants';
import type { Logger } from 'pino';
import type { WorkerConfig } from './config.ts';
import type { WorkerJobs } from './jobs.ts';
import { type RunningWorker, runWorker } from './run-worker.ts';

/**
 * Makes the parts that the jobs need, and runs them.
 * @throws Error when the database is out of reach or the key-encryption key is not its own; nothing is left open.
 */
export async function composeWorker(deps: {
  config: WorkerConfig;
  runtime: Runtime;
  log: Logger;
}): Promise<RunningWorker> {
  const { config, runtime, log } = deps;
  const secrets = deriveDatabaseSecrets(config.kek);
  const onBackgroundError = (err: unknown) => log.warn({ err }, 'database');
  const database = new Database({ url: config.databaseUrl, secrets, onBackgroundError });
  try {
    const jobs = await composeJobs(database, config, runtime);
    const { databaseUrl, redisUrl } = config;
    const worker = await runWorker({ databaseUrl, redisUrl, secrets, jobs, runtime, log });
    return {
      nudge: worker.nudge,
      async stop() {
        await worker.stop();
        await database.close();
      },
    };
  } catch (error) {
    await database.close();
    throw error;
  }
}

async function composeJobs(database: Database, config: WorkerConfig, runtime: Runtime): Promise<WorkerJobs> {
  const kms = createLocalKms(config.kek);
  await checkKek({ database, kms });
  const tenants = createTenantDirectory({ database, runtime, baseUrl: config.baseUrl });
  const keys = openKeyring({
    ...{ database, runtime, kms },
    platformIssuer: issuerOf(config.baseUrl, platformSlug),
    rootTenant: async () => known(await tenants.bySlug(platformSlug)).id,
  });
  const originOf = async (tenantId: TenantId) => logOriginOf(config.baseUrl, known(await tenants.byId(tenantId)).slug);
  return {
    unsealedTenants: () => unsealedTenants(database),
    sealTenant: (tenantId) => sealTenant({ database, keys, runtime, originOf }, tenantId),
    sweep: async () => {
      await sweepEphemeral({ database, runtime });
      await sweepConsumed({ database, runtime });
    },
  };
}

function known(tenant: Tenant | undefined): Tenant {
  if (!tenant) throw notFound('tenant');
  return tenant;
}
