import { type Runtime, systemRuntime } from '@mono-auth/core/runtime';
import type { JobsOptions } from 'bullmq';
import { checkJob, type Job } from './job.ts';
import { openPostgresBackend } from './postgres-backend.ts';
import { openRedisBackend } from './redis-backend.ts';

export interface JobQueue {
  /**
   * Adds a job. With a `jobId` there is at most one such job waiting or running: adding it again does nothing.
   * @throws TypeError when `ids` are more than ids; Error at once while the store cannot be reached.
   */
  add(name: string, ids: Job['ids'], options?: { jobId?: string; delayMs?: number }): Promise<void>;
  /** Has the job done every `everyMs` milliseconds, by one worker at a time; said again, it replaces what was said. */
  repeat(name: string, everyMs: number): Promise<void>;
  /** Starts to work, once. A handler that throws has its job again later; it must bear to see a job twice. */
  work(handler: (job: Job) => Promise<void>): void;
  /** Takes no more jobs, waits for those that run, and gives the connections back. */
  close(): Promise<void>;
}

export interface JobQueueDeps {
  /** Postgres URL of the login `mono_app`. */
  readonly url: string;
  /** `redis://user:password@host:port/db`, `rediss://` for TLS: the jobs then stand there. */
  readonly redisUrl?: string | undefined;
  readonly name: string;
  /** Told of every failure of a job and of the connection. */
  readonly onError: (error: unknown) => void;
  readonly runtime?: Runtime;
}

/** Where the jobs stand. */
export interface Backend {
  add(name: string, ids: Job['ids'], options: JobsOptions): Promise<unknown>;
  repeat(name: string, everyMs: number, template: JobTemplate): Promise<unknown>;
  work(handler: (job: { name: string; data: Job['ids'] }) => Promise<void>): void;
  /** Takes no more jobs and waits for those that run. */
  close(): Promise<void>;
}

interface JobTemplate {
  readonly name: string;
  readonly data: Job['ids'];
  readonly opts: typeof leaveNothing;
}

/** Tries of an added job, the first included, with pauses of 0.5, 1, 2 and 4 s: longer than a fail-over of Postgres takes to be noticed. */
const attempts = 5;
const firstPauseMs = 500;
/**
 * Nothing is kept of a job that has ended: a job id is free again, and nobody reads the history. Failures are reported.
 */
const leaveNothing = { removeOnComplete: true, removeOnFail: true } as const;

/** Opens a queue on Redis where there is one, else on Postgres. */
export async function openJobQueue(deps: JobQueueDeps): Promise<JobQueue> {
  const { name, runtime = systemRuntime } = deps;
  const backend = await (deps.redisUrl === undefined
    ? openPostgresBackend(deps)
    : openRedisBackend({ ...deps, redisUrl: deps.redisUrl, runtime }));
  let working = false;

  return {
    async add(jobName, ids, options = {}) {
      checkJob(jobName, ids, options.jobId);
      await backend.add(jobName, ids, {
        // Always an id of our own: BullMQ would make a sequence in its schema to count them, which the login may not.
        jobId: options.jobId ?? runtime.uuid(),
        delay: options.delayMs ?? 0,
        attempts,
        backoff: { type: 'exponential', delay: firstPauseMs },
        ...leaveNothing,
      });
    },
    async repeat(jobName, everyMs) {
      checkJob(jobName, {});
      // One attempt: the next repetition is the retry.
      const template = { name: jobName, data: {}, opts: leaveNothing };
      await backend.repeat(jobName, everyMs, template);
    },
    work(handler) {
      if (working) throw new TypeError(`queue ${name}: this process works on it already`);
      working = true;
      backend.work(async (job) => {
        checkJob(job.name, job.data);
        await handler({ name: job.name, ids: job.data });
      });
    },
    close: () => backend.close(),
  };
}
