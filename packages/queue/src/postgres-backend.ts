import { createPostgresBackend, type PostgresConnectionOptions, Queue, Worker } from 'bullmq';
import type { Backend, JobQueueDeps } from './job-queue.ts';
import { concurrency, eventsMax } from './limits.ts';

/** Connections of the producer and of the worker; a worker needs one for each job's end and one for renewals. */
const producerConnections = 2;
const workerConnections = 3;

/** BullMQ's Postgres backend, in schema `bullmq`, which our migrations have made. */
export async function openPostgresBackend({ url, name, onError }: JobQueueDeps): Promise<Backend> {
  const connection = (max: number): PostgresConnectionOptions => ({
    connectionString: url,
    max,
    schema: 'bullmq',
    skipMigrations: true,
  });
  const queue = new Queue(
    name,
    { connection: connection(producerConnections), streams: { events: { maxLen: eventsMax } } },
    createPostgresBackend,
  );
  queue.on('error', onError);
  try {
    await queue.waitUntilReady();
  } catch (error) {
    await queue.close();
    throw error;
  }
  let worker: { close(): Promise<void> } | undefined;
  return {
    add: (...job) => queue.add(...job),
    repeat: (jobName, everyMs, template) => queue.upsertJobScheduler(jobName, { every: everyMs }, template),
    work(handler) {
      const started = new Worker(
        name,
        handler,
        { connection: connection(workerConnections), concurrency },
        createPostgresBackend,
      );
      started.on('error', onError);
      started.on('failed', (_job, error) => onError(error));
      worker = started;
    },
    async close() {
      await worker?.close();
      await queue.close();
    },
  };
}
