import type { TenantId } from '@mono-auth/core/ids';
import type { Runtime } from '@mono-auth/core/runtime';
import type { TenantWatch } from './tenant-watch.ts';

export interface WatchLimits {
  /** Tenants watched at a time: each costs an acknowledgement and a look at the feed a second. */
  readonly tenantsMax: number;
  /** Without a good token for this long a watch is closed, milliseconds. */
  readonly idleMs: number;
  /** A watch that was used within this time is not given up for another tenant's, milliseconds. */
  readonly heldMs: number;
}

interface Entry {
  readonly watch: TenantWatch;
  usedAtMs: number;
}

/** The watches that are kept: so many at most, those that are used, until they are closed. */
export class WatchedTenants {
  readonly #runtime: Runtime;
  readonly #limits: WatchLimits;
  readonly #closed = new AbortController();
  /** The one that was used longest ago stands first. */
  readonly #entries = new Map<TenantId, Entry>();
  readonly #ending = new Set<Promise<void>>();
  readonly #sweeping: Promise<void>;

  constructor(runtime: Runtime, limits: WatchLimits) {
    this.#runtime = runtime;
    this.#limits = limits;
    this.#sweeping = this.#closeIdle();
  }

  get size(): number {
    return this.#entries.size;
  }

  find(id: TenantId): TenantWatch | undefined {
    return this.#entries.get(id)?.watch;
  }

  /** Whether another tenant's watch would be kept now. */
  hasRoom(): boolean {
    if (this.#closed.signal.aborted) return false;
    if (this.#entries.size < this.#limits.tenantsMax) return true;
    const [oldest] = this.#entries.values();
    return oldest !== undefined && this.#runtime.monotonicMs() - oldest.usedAtMs >= this.#limits.heldMs;
  }

  /** Keeps what `open` makes, in the place of the one that was used longest ago when there is no other. */
  add(id: TenantId, open: () => TenantWatch): void {
    if (!this.hasRoom()) return;
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined && this.#entries.size >= this.#limits.tenantsMax) this.#end(oldest);
    this.#entries.set(id, { watch: open(), usedAtMs: this.#runtime.monotonicMs() });
  }

  touch(id: TenantId): void {
    const entry = this.#entries.get(id);
    if (!entry) return;
    entry.usedAtMs = this.#runtime.monotonicMs();
    this.#entries.delete(id);
    this.#entries.set(id, entry);
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await this.#sweeping;
    for (const id of [...this.#entries.keys()]) this.#end(id);
    await Promise.all(this.#ending);
  }

  #end(id: TenantId): void {
    const entry = this.#entries.get(id);
    if (!entry) return;
    this.#entries.delete(id);
    const ended = entry.watch.close().finally(() => this.#ending.delete(ended));
    this.#ending.add(ended);
  }

  async #closeIdle(): Promise<void> {
    const { signal } = this.#closed;
    while (!signal.aborted) {
      await this.#runtime.sleep(this.#limits.idleMs / 4, signal).catch(() => undefined);
      const since = this.#runtime.monotonicMs() - this.#limits.idleMs;
      for (const [id, { usedAtMs }] of [...this.#entries]) if (usedAtMs <= since) this.#end(id);
    }
  }
}
