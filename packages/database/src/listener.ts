import type pg from 'pg';

type Heard = (payload: string) => void;

/** First and longest pause before a lost LISTEN connection is tried again, milliseconds. */
const reconnectMsMin = 50;
const reconnectMsMax = 2_000;

/**
 * LISTEN on a connection of its own. It reconnects by itself and then tells every listener, with an empty payload, to
 * read again, because notifications sent meanwhile are lost.
 */
export class Listener {
  readonly #makeClient: () => pg.Client;
  readonly #report: (error: unknown) => void;
  readonly #heardBy = new Map<string, Set<Heard>>();
  #client: pg.Client | undefined;
  #connecting: Promise<void> | undefined;
  #closed = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(makeClient: () => pg.Client, report: (error: unknown) => void) {
    this.#makeClient = makeClient;
    this.#report = report;
  }

  /** @returns the way to stop hearing. */
  async listen(channel: string, heard: Heard): Promise<() => void> {
    const statement = `listen ${quoted(channel)}`;
    const listeners = this.#heardBy.get(channel) ?? new Set();
    this.#heardBy.set(channel, listeners.add(heard));
    try {
      await this.#ready();
      // While a lost connection is being replaced there is no client; the next one listens to every channel.
      if (listeners.size === 1) await this.#client?.query(statement);
    } catch (error) {
      listeners.delete(heard);
      throw error;
    }
    return () => listeners.delete(heard);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#client?.end();
  }

  /** The first connection. A failed one is the caller's to see, and the next caller's to try again. */
  #ready(): Promise<void> {
    this.#connecting ??= this.#connect().catch((error) => {
      this.#connecting = undefined;
      throw error;
    });
    return this.#connecting;
  }

  async #connect(): Promise<void> {
    const client = this.#makeClient();
    client.on('error', this.#report);
    client.on('notification', ({ channel, payload }) => this.#tell(channel, payload ?? ''));
    try {
      await client.connect();
      for (const channel of this.#heardBy.keys()) await client.query(`listen ${quoted(channel)}`);
      if (this.#closed) throw new Error('the listener was closed');
    } catch (error) {
      void client.end().catch(this.#report);
      throw error;
    }
    client.on('end', () => {
      this.#client = undefined;
      if (!this.#closed) this.#reconnect(reconnectMsMin);
    });
    this.#client = client;
  }

  #reconnect(delayMs: number): void {
    this.#timer = setTimeout(async () => {
      try {
        await this.#connect();
      } catch (error) {
        if (this.#closed) return;
        this.#report(error);
        this.#reconnect(Math.min(delayMs * 2, reconnectMsMax));
        return;
      }
      for (const channel of this.#heardBy.keys()) this.#tell(channel, '');
    }, delayMs);
    this.#timer.unref?.();
  }

  #tell(channel: string, payload: string): void {
    for (const heard of this.#heardBy.get(channel) ?? []) {
      try {
        heard(payload);
      } catch (error) {
        this.#report(error);
      }
    }
  }
}

function quoted(channel: string): string {
  if (!/^[a-z_]{1,63}$/.test(channel)) throw new TypeError(`not a channel name: ${channel}`);
  return channel;
}
