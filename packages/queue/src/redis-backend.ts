import type { Runtime } from '@mono-auth/core/runtime';
import { Queue, type RedisOptions, Worker } from 'bullmq';
import type { Backend, JobQueueDeps } from './job-queue.ts';
import { concurrency, eventsMax } from './limits.ts';

/**
 * Keys are `queue:{platform}:<name>:…`: the braces keep a queue on one node of a cluster, as BullMQ's scripts need it
 * (https://docs.bullmq.io/bull/patterns/redis-cluster), and jobs belong to the installation, not to a tenant.
 */
const prefix = 'queue:{platform}';
/** Pauses between tries to connect grow up to this: a Redis that is back is used again within a second or two. */
const pauseMsMax = 1_000;
const pauseStepMs = 100;
/** A healthy Redis answers within milliseconds; who adds a job does not wait longer. */
const answerMsMax = 2_000;
/** How often we look whether the repetitions still stand in a store that may vanish. */
const lookMs = 1_000;
/** How often the same failure of the connection is told. */
const repeatErrorMs = 30_000;
/** A store that is away fails in a handful of ways; what is beyond is told again. */
const messagesMax = 32;
/** Longest wait for what a store that is away still owes us when we close; the jobs of this process have ended by then. */
const farewellMsMax = 2_000;

/**
 * BullMQ on Redis. The store may be away, now or later: the queue opens nevertheless, and what it was told to repeat is put
 * into the store whenever it is not there.
 * @throws Error, one line that begins with MONO_REDIS_URL, when the store refuses the login.
 */
export async function openRedisBackend(
  deps: JobQueueDeps & { readonly redisUrl: string; readonly runtime: Runtime },
): Promise<Backend> {
  const { name, onError, runtime } = deps;
  const ended = new AbortController();
  const { patient, impatient } = connectionsTo(deps.redisUrl, ended.signal);
  const queue = new Queue(name, { connection: impatient, prefix, streams: { events: { maxLen: eventsMax } } });
  const onConnectionError = oncePerWhile(onError, runtime);
  queue.on('error', onConnectionError);
  queue.on('ioredis:close', () => onConnectionError(new Error('the connection to Redis was lost')));
  let reached = false;
  const ready = queue.waitUntilReady().then(
    () => {
      reached = true;
    },
    () => undefined,
  );
  try {
    await Promise.race([ready, refusal(queue), runtime.sleep(answerMsMax)]);
  } catch (error) {
    ended.abort();
    await queue.close();
    throw error;
  }
  const repeated = new Map<string, () => Promise<unknown>>();
  void keepRepeating({ queue, repeated, isReached: () => reached, signal: ended.signal, onConnectionError, runtime });
  const running = new Running();
  let worker: Worker | undefined;
  return {
    async add(...job) {
      // Before its first connection BullMQ would wait for it without end.
      if (!reached) throw new Error('the queue in Redis cannot be reached');
      await queue.add(...job);
    },
    async repeat(jobName, everyMs, template) {
      const schedule = () => queue.upsertJobScheduler(jobName, { every: everyMs }, template);
      repeated.set(jobName, schedule);
      if (reached) await schedule().catch(onConnectionError);
    },
    work(handler) {
      worker = new Worker(name, (job) => running.during(handler(job)), { connection: patient, prefix, concurrency });
      worker.on('error', onConnectionError);
      worker.on('failed', (_job, error) => onError(error));
    },
    async close() {
      ended.abort();
      const farewell = Promise.all([worker?.close(), queue.close()]).catch(onConnectionError);
      await running.end();
      await Promise.race([farewell, runtime.sleep(farewellMsMax)]);
      // Cuts what hangs nevertheless; where all went well there is nothing left to cut.
      Promise.all([worker?.disconnect(), queue.disconnect()]).catch(() => undefined);
    },
  };
}

/** Who adds a job hears at once that it cannot be added; a worker waits for its store. */
function connectionsTo(url: string, ended: AbortSignal): { patient: RedisOptions; impatient: RedisOptions } {
  const patient: RedisOptions = {
    url,
    connectTimeout: answerMsMax,
    // Once we close, a connection that is lost stays so: what still waits for it then fails instead of waiting on.
    retryStrategy: (times) => (ended.aborted ? null : Math.min(times * pauseStepMs, pauseMsMax)),
  };
  const impatient = { ...patient, commandTimeout: answerMsMax, enableOfflineQueue: false, maxRetriesPerRequest: 0 };
  return { patient, impatient };
}

/** Puts repetitions into the store again and again when it has lost them. */
async function keepRepeating(deps: {
  queue: Queue;
  repeated: ReadonlyMap<string, () => Promise<unknown>>;
  isReached: () => boolean;
  signal: AbortSignal;
  onConnectionError: (error: unknown) => void;
  runtime: Runtime;
}): Promise<void> {
  const { queue, repeated, isReached, signal, onConnectionError, runtime } = deps;
  while (!signal.aborted) {
    try {
      await runtime.sleep(lookMs, signal);
      if (!isReached()) continue;
      for (const [jobName, schedule] of repeated) {
        if (!(await queue.getJobScheduler(jobName))) await schedule();
      }
    } catch (error) {
      if (!signal.aborted) onConnectionError(error);
    }
  }
}

/** While the store is away, every try to reach it fails alike: each failure is told once in a while. */
function oncePerWhile(onError: (error: unknown) => void, runtime: Runtime): (error: unknown) => void {
  const toldMs = new Map<string, number>();
  return (error) => {
    const message = String(error);
    const nowMs = runtime.monotonicMs();
    if (nowMs - (toldMs.get(message) ?? Number.NEGATIVE_INFINITY) < repeatErrorMs) return;
    if (toldMs.size >= messagesMax) toldMs.clear();
    toldMs.set(message, nowMs);
    onError(error);
  };
}

/** Rejects when the store refuses the login: waiting would not help. */
function refusal(queue: Queue): Promise<never> {
  const refused = new Promise<never>((_, reject) => {
    queue.on('error', (cause) => {
      if (!/^(?:WRONGPASS|NOAUTH|NOPERM)/.test(cause.message)) return;
      reject(new Error('MONO_REDIS_URL: the store refuses its user or password', { cause }));
    });
  });
  // Later it is one of the failures that are told.
  refused.catch(() => undefined);
  return refused;
}

/** The jobs under way here, whatever the store knows of them. */
class Running {
  readonly #jobs = new Set<Promise<void>>();

  async during(job: Promise<void>): Promise<void> {
    this.#jobs.add(job);
    try {
      await job;
    } finally {
      this.#jobs.delete(job);
    }
  }

  async end(): Promise<void> {
    await Promise.allSettled(this.#jobs);
  }
}
