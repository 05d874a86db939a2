import { isId, type TenantId } from '@mono-auth/core/ids';
import type { Runtime } from '@mono-auth/core/runtime';
import { type DatabaseSecrets, loginUrl } from '@mono-auth/database';
import { type JobQueue, openJobQueue } from '@mono-auth/queue';
import type { WorkerJobs } from './jobs.ts';
import { SealingRounds, sealEveryMs } from './sealing-rounds.ts';

export interface WorkerDeps {
  readonly databaseUrl: string;
  /** Where the jobs stand when there is one; else in Postgres. */
  readonly redisUrl?: string | undefined;
  readonly secrets: DatabaseSecrets;
  readonly jobs: WorkerJobs;
  readonly runtime: Runtime;
  readonly log: { warn(details: object, message: string): void };
  /** Name of the queue, the same in all processes of an installation. */
  readonly queueName?: string;
}

export interface RunningWorker {
  /** Has this tenant sealed now and not within the second. A hint: it may be lost. */
  nudge(tenantId: TenantId): Promise<void>;
  /** Takes no more jobs and waits for those that run. */
  stop(): Promise<void>;
}

/** What has expired is refused anyway; the sweep only gives back its room. */
const sweepEveryMs = 60_000;
/** A key that is moved on late signs or stays a little longer; the stages of its life last many minutes. */
const moveKeysEveryMs = 10_000;
/** A client that hears of a logout after this still hears in time: our own tokens have ended by the feed already. */
const logoutsEveryMs = 5_000;

/** Runs the jobs of an installation, in a process of its own or within another. Any number of workers may run. */
export async function runWorker(deps: WorkerDeps): Promise<RunningWorker> {
  const queue = await openJobQueue({
    url: loginUrl({ url: deps.databaseUrl, secrets: deps.secrets }, 'mono_app'),
    redisUrl: deps.redisUrl,
    runtime: deps.runtime,
    name: deps.queueName ?? 'worker',
    onError: (err) => deps.log.warn({ err }, 'a job failed'),
  });
  try {
    await queue.repeat('seal-audit', sealEveryMs);
    await queue.repeat('sweep', sweepEveryMs);
    await queue.repeat('move-keys', moveKeysEveryMs);
    await queue.repeat('deliver-logouts', logoutsEveryMs);
  } catch (error) {
    await queue.close();
    throw error;
  }
  const rounds = new SealingRounds(deps);
  work(queue, deps.jobs, rounds);
  void rounds.keep();
  return {
    async nudge(tenantId) {
      const told = queue.add('seal-audit', { tenantId }, { jobId: `seal-audit-${tenantId}` });
      await told.catch((err) => deps.log.warn({ err }, 'a nudge was lost'));
    },
    async stop() {
      await rounds.end();
      await queue.close();
    },
  };
}

function work(queue: JobQueue, jobs: WorkerJobs, rounds: SealingRounds): void {
  queue.work(async ({ name, ids }) => {
    if (name === 'sweep') {
      await jobs.sweep();
    } else if (name === 'move-keys') {
      await jobs.moveKeys();
    } else if (name === 'seal-audit' && isId('ten', ids.tenantId)) {
      await jobs.sealTenant(ids.tenantId);
    } else if (name === 'seal-audit') {
      await rounds.next();
    } else if (name === 'deliver-logouts' && isId('ten', ids.tenantId)) {
      await jobs.deliverLogouts(ids.tenantId);
    } else if (name === 'deliver-logouts') {
      // One job a tenant, so that the slow clients of one hold up nobody else; named, so that no two wait for one tenant.
      for (const tenantId of await jobs.tenantsWithLogouts()) {
        await queue.add('deliver-logouts', { tenantId }, { jobId: `deliver-logouts-${tenantId}` });
      }
    } else {
      // A newer release may have added it: its own worker takes it when it is tried again.
      throw new Error(`this worker knows no job ${name}`);
    }
  });
}
