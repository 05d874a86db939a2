import type { Runtime } from '@mono-auth/core/runtime';
import { checkChannel, checkHint } from './ephemeral.ts';
import { installationKey } from './redis-key.ts';
import { type LinkDeps, RedisLink } from './redis-link.ts';

/** One stream for all channels: they are few, and every process follows nearly all of them. */
const streamKey = installationKey('hints');
/** Hints that stay for readers who are behind: whoever is further behind is told to read again. */
const hintsMax = 10_000;
/** A stream without news for a day may go: the next hint starts it anew. */
const streamTtlMs = 24 * 3_600_000;
/** How long a read waits in the store. Also how soon a reader notices that the stream has vanished under it. */
const blockMs = 1_000;
const batchMax = 500;
/** Pause after a failure: the connection comes back by itself, we only look whether it has. */
const pauseMs = 200;

/** Hints are numbered without gaps, so that a reader sees what was trimmed or lost. */
const publishScript = `
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local number = last and last[2][2] + 1 or 1
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'number', number, 'channel', ARGV[2], 'payload', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])`;

interface Hint {
  readonly id: string;
  readonly number: number;
  readonly channel: string;
  readonly payload: string;
}

/** Before the first hint of a stream. */
const beginning: Hint = { id: '0-0', number: 0, channel: '', payload: '' };

/** Wake-ups over one Redis stream (https://redis.io/docs/latest/commands/xread/). */
export class RedisHints {
  readonly #deps: LinkDeps & { readonly runtime: Runtime };
  readonly #link: RedisLink;
  readonly #heard = new Map<string, Set<(payload: string) => void>>();
  readonly #ended = new AbortController();
  #reader: RedisLink | undefined;
  #started: Promise<void> | undefined;

  constructor(deps: LinkDeps & { readonly runtime: Runtime }, link: RedisLink) {
    this.#deps = deps;
    this.#link = link;
  }

  async publish(channel: string, payload: string): Promise<void> {
    checkHint(channel, payload);
    await this.#link.ask((client) => client.eval(publishScript, 1, streamKey, hintsMax, channel, payload, streamTtlMs));
  }

  /** Resolves once every later hint is heard, or an empty one in its place. */
  async subscribe(channel: string, heard: (payload: string) => void): Promise<() => void> {
    checkChannel(channel);
    const listeners = this.#heard.get(channel) ?? new Set();
    this.#heard.set(channel, listeners);
    // One entry for each subscription, also of the same function.
    const entry = (payload: string): void => heard(payload);
    listeners.add(entry);
    this.#started ??= this.#start();
    await this.#started;
    return () => void listeners.delete(entry);
  }

  close(): void {
    this.#ended.abort();
    this.#reader?.close();
  }

  async #start(): Promise<void> {
    const reader = new RedisLink({ ...this.#deps, blockMs });
    this.#reader = reader;
    let position: Hint | undefined;
    try {
      await reader.open();
      position = await newest(reader);
    } catch {
      // Read later, then, and said.
    }
    void this.#follow(reader, position);
  }

  /** Reads on from where it stands; where that is not known, it starts at the newest hint and says so. */
  async #follow(reader: RedisLink, start: Hint | undefined): Promise<void> {
    let position = start;
    let lastRun: string | undefined;
    const { signal } = this.#ended;
    while (!signal.aborted) {
      try {
        if (!position) {
          position = await newest(reader);
          this.#tell();
        }
        const since: Hint = position;
        const { run, hints } = await readAfter(reader, since.id);
        if (lastRun !== undefined && run !== lastRun) this.#tell();
        lastRun = run;
        for (const hint of hints) {
          if (hint.number !== position.number + 1) this.#tell();
          position = hint;
          this.#tell(hint);
        }
        // Nothing came: perhaps because the stream has begun anew under a clock that is behind.
        if (hints.length === 0 && (await newest(reader)).number < since.number) position = undefined;
      } catch {
        position = undefined;
        if (signal.aborted) return;
        await this.#deps.runtime.sleep(pauseMs, signal).catch(() => undefined);
      }
    }
  }

  /** Without a hint: some were lost, whatever their channel was. */
  #tell(hint?: Hint): void {
    const listeners = hint
      ? [...(this.#heard.get(hint.channel) ?? [])]
      : [...this.#heard.values()].flatMap((set) => [...set]);
    // In a turn of its own: what a listener throws is not ours to catch.
    for (const heard of listeners) queueMicrotask(() => heard(hint?.payload ?? ''));
  }
}

async function newest(reader: RedisLink): Promise<Hint> {
  const [entry] = await reader.ask((client) => client.xrevrange(streamKey, '+', '-', 'COUNT', 1));
  return entry ? hintOf(entry) : beginning;
}

async function readAfter(reader: RedisLink, id: string): Promise<{ run: string; hints: Hint[] }> {
  return reader.ask(async (client, run) => {
    const streams = await client.xread('COUNT', batchMax, 'BLOCK', blockMs, 'STREAMS', streamKey, id);
    return { run, hints: (streams?.[0]?.[1] ?? []).map(hintOf) };
  });
}

function hintOf([id, fields]: readonly [string, readonly string[]]): Hint {
  const [, number, , channel = '', , payload = ''] = fields;
  return { id, number: Number(number), channel, payload };
}
