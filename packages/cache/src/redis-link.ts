import { Redis } from 'ioredis';
import { redisUrlFault } from './redis-url.ts';

/** Redis did not answer, or not as a store that can serve. Not a word about what the caller asked for. */
export class RedisLost extends Error {
  override readonly name = 'RedisLost';
  /** Whether the command may have been carried out nevertheless. */
  readonly sent: boolean;

  constructor(message: string, options: { sent: boolean; cause?: unknown }) {
    super(message, { cause: options.cause });
    this.sent = options.sent;
  }
}

/** The setting is at fault, not the moment: one line that says which, why, and what is allowed. */
export class RedisSettingError extends Error {
  override readonly name = 'RedisSettingError';

  constructor(fault: string, cause?: unknown) {
    super(`MONO_REDIS_URL: ${fault}`, { cause });
  }
}

/** A healthy Redis answers within a millisecond or two; who waits longer is served sooner by Postgres. */
const answerMsMax = 750;
const connectMsMax = 2_000;
/** Pauses between tries to connect grow up to this: a Redis that is back is used again within a second or two. */
const pauseMsMax = 1_000;
const pauseStepMs = 100;
/** GETDEL came with it (https://redis.io/docs/latest/commands/getdel/). */
const versionMin = [6, 2] as const;

export interface LinkDeps {
  /** `redis://user:password@host:port/db`, `rediss://` for TLS. */
  readonly url: string;
  /** How long a command may block in the store, on a connection of its own for such commands. */
  readonly blockMs?: number;
}

/**
 * One connection that comes back by itself. It holds nothing back for later: while Redis is away, commands fail at once,
 * and one that was sent is never sent again.
 */
export class RedisLink {
  readonly #client: Redis;
  /** The run of the server that this connection has reached; rejects when it may not serve. */
  #run: Promise<string> | undefined;
  #lastError: unknown;

  constructor({ url, blockMs = 0 }: LinkDeps) {
    const fault = redisUrlFault(url);
    if (fault) throw new RedisSettingError(fault);
    this.#client = new Redis(url, {
      lazyConnect: true,
      connectTimeout: connectMsMax,
      commandTimeout: blockMs + answerMsMax,
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      autoResendUnfulfilledCommands: false,
      retryStrategy: (times) => Math.min(times * pauseStepMs, pauseMsMax),
      connectionName: 'mono-auth',
    });
    this.#client.on('error', (error: unknown) => {
      // Kept for whoever asks: there is nobody to tell, and it comes with every try.
      this.#lastError = error;
    });
    this.#client.on('ready', () => {
      this.#lastError = undefined;
      this.#run = this.#greet();
      // Whoever asks next hears of it.
      this.#run.catch(() => undefined);
    });
    this.#client.on('close', () => {
      this.#run = undefined;
    });
  }

  /**
   * Connects for the first time.
   * @throws RedisSettingError when waiting would not help; RedisLost when it may.
   */
  async open(): Promise<void> {
    try {
      await this.#client.connect();
    } catch (cause) {
      const reason = this.#lastError ?? cause;
      throw settingFault(reason) ?? new RedisLost('Redis cannot be reached', { sent: false, cause: reason });
    }
    await this.#run;
  }

  /**
   * Gives commands to the connection; `run` names the process that they reach. Commands of one call arrive in order.
   * @throws RedisLost on every failure of Redis.
   */
  async ask<T>(work: (client: Redis, run: string) => Promise<T>): Promise<T> {
    const run = await this.#reached();
    try {
      return await work(this.#client, run);
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause);
      if (message === 'Command timed out') {
        // The answer may still come, or the connection may lead nowhere: a new one shows.
        this.#client.disconnect(true);
      }
      const refused = cause instanceof Error && cause.name === 'ReplyError';
      const notSent = message.startsWith("Stream isn't writeable");
      throw new RedisLost(`Redis: ${message}`, { sent: !refused && !notSent, cause });
    }
  }

  close(): void {
    this.#client.disconnect();
  }

  async #reached(): Promise<string> {
    if (!this.#run || this.#client.status !== 'ready') {
      const cause = settingFault(this.#lastError) ?? this.#lastError;
      throw new RedisLost('Redis cannot be reached', { sent: false, cause });
    }
    try {
      return await this.#run;
    } catch (cause) {
      throw cause instanceof RedisLost ? cause : new RedisLost('Redis may not serve', { sent: false, cause });
    }
  }

  /** Looks at the server before anything is given to it. A login that may not ask is not told, and serves. */
  async #greet(): Promise<string> {
    let info: string;
    try {
      info = await this.#client.info();
    } catch (error) {
      if (error instanceof Error && error.message.startsWith('NOPERM')) return '';
      throw new RedisLost('Redis does not say what it is', { sent: false, cause: error });
    }
    const fact = (name: string): string | undefined => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1];
    const policy = fact('maxmemory_policy');
    if (policy !== undefined && policy !== 'noeviction') {
      throw new RedisSettingError(`the store has maxmemory-policy ${policy}; allowed: noeviction`);
    }
    const version = fact('redis_version') ?? '';
    const [major = 0, minor = 0] = version.split('.').map(Number);
    if (version !== '' && (major - versionMin[0] || minor - versionMin[1]) < 0) {
      throw new RedisSettingError(
        `the store is Redis ${version}; allowed: ${versionMin.join('.')} or newer, or Valkey`,
      );
    }
    return fact('run_id') ?? '';
  }
}

function settingFault(error: unknown): RedisSettingError | undefined {
  if (!(error instanceof Error)) return undefined;
  if (/^(?:WRONGPASS|NOAUTH|NOPERM|ERR .*(?:AUTH|DB index))/i.test(error.message)) {
    return new RedisSettingError('the store refuses its user, password or database number', error);
  }
  const code = 'code' in error ? String(error.code) : '';
  if (/CERT|_ISSUER|VERIFY|ERR_TLS|ERR_SSL/.test(code)) {
    return new RedisSettingError(
      `no TLS with the store (${code}); allowed: a CA known to us or in NODE_EXTRA_CA_CERTS`,
      error,
    );
  }
  return undefined;
}
