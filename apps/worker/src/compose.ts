import { sealTenant, unsealedTenants } from '@mono-auth/audit';
import { createEphemeral, type Ephemeral, sweepEphemeral } from '@mono-auth/cache';
import { sweepRegistrations } from '@mono-auth/clients/registration';
import { notFound } from '@mono-auth/core/errors';
import type { TenantId } from '@mono-auth/core/ids';
import type { Runtime } from '@mono-auth/core/runtime';
import { issuerOf, logOriginOf, platformSlug } from '@mono-auth/core/tenant-slug';
import { Database, deriveDatabaseSecrets, sweepConsumed } from '@mono-auth/database';
import { sweepConsents } from '@mono-auth/delegation';
import { Feed } from '@mono-auth/feed';
import { sweepGrants } from '@mono-auth/grants';
import { logouts } from '@mono-auth/identity';
import { checkKek, createLocalKms, openKeyring } from '@mono-auth/keys';
import { createTenantDirectory, signingKeys, type Tenant } from '@mono-auth/tenants';
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
  const { databaseUrl, redisUrl } = config;
  let ephemeral: Ephemeral | undefined;
  try {
    const onStateChange = (state: unknown) => log.info({ state }, 'ephemeral store');
    ephemeral = await createEphemeral({ database, runtime, redisUrl, onStateChange });
    const hints = ephemeral;
    const jobs = await composeJobs({ database, ephemeral, runtime }, config);
    const worker = await runWorker({ databaseUrl, redisUrl, secrets, jobs, runtime, log });
    return {
      nudge: worker.nudge,
      async stop() {
        await worker.stop();
        await hints.close();
        await database.close();
      },
    };
  } catch (error) {
    await ephemeral?.close();
    await database.close();
    throw error;
  }
}

interface Stores {
  readonly database: Database;
  readonly ephemeral: Ephemeral;
  readonly runtime: Runtime;
}

async function composeJobs({ database, ephemeral, runtime }: Stores, config: WorkerConfig): Promise<WorkerJobs> {
  const kms = createLocalKms(config.kek);
  await checkKek({ database, kms });
  const tenants = createTenantDirectory({ database, runtime, baseUrl: config.baseUrl });
  const keys = openKeyring({
    ...{ database, runtime, kms },
    platformIssuer: issuerOf(config.baseUrl, platformSlug),
    rootTenant: async () => known(await tenants.bySlug(platformSlug)).id,
  });
  const feed = new Feed({ database, ephemeral, keys, runtime });
  const originOf = async (tenantId: TenantId) => logOriginOf(config.baseUrl, known(await tenants.byId(tenantId)).slug);
  return {
    unsealedTenants: () => unsealedTenants(database),
    sealTenant: (tenantId) => sealTenant({ database, keys, runtime, originOf }, tenantId),
    moveKeys: () => signingKeys.moveKeysOn({ database, runtime, keys, feed }),
    tenantsWithLogouts: () => logouts.tenantsWithLogouts({ database, runtime }),
    deliverLogouts: (tenantId) =>
      logouts.deliverLogouts({ database, runtime, keys, tenants, baseUrl: config.baseUrl }, tenantId),
    sweep: async () => {
      await sweepEphemeral({ database, runtime });
      await logouts.sweepSessionClients({ database, runtime });
      await sweepConsumed({ database, runtime });
      await sweepGrants({ database, runtime });
      await sweepConsents({ database, runtime });
      await sweepRegistrations({ database, runtime, tenants });
    },
  };
}

function known(tenant: Tenant | undefined): Tenant {
  if (!tenant) throw notFound('tenant');
  return tenant;
}
