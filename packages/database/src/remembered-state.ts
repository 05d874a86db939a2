import type { TenantId } from '@mono-auth/core/ids';
import { LRUCache } from 'lru-cache';

/**
 * Things remembered of all tenants together: a hundred thousand clients with their secrets, and what their tenants add. Whoever
 * goes round more than there is room for would find nothing of it remembered.
 */
const entriesMax = 250_000;
/**
 * Longest name that anything is remembered by, characters: ids and URLs of services are shorter. Names come from requests, also
 * of nobody's clients, and what is not there is remembered too: long ones must not fill the memory.
 */
const nameCharsMax = 256;
/** Tenants of which anything is remembered. */
const tenantsMax = 5_000;

/** What decisions remember of one tenant, as of one version of its state: all of it is true, or none is used. */
export class RememberedState {
  readonly tenantId: TenantId;
  /** Known from the first thing that was read on; null where nothing of the tenant was ever watched. */
  version: string | null | undefined;
  /** What has been read. */
  readonly #entries: LRUCache<string, Promise<unknown>>;
  readonly #loading = new Map<string, Promise<unknown>>();
  readonly #prefix: string;

  constructor(tenantId: TenantId, entries: LRUCache<string, Promise<unknown>>, number: number) {
    this.tenantId = tenantId;
    this.#entries = entries;
    this.#prefix = `${number}|`;
  }

  /** What `load` answers, which is called once for each name, and again where it has failed. */
  get<T>(name: string, load: () => Promise<T>): Promise<T> {
    if (name.length > nameCharsMax) return load();
    const key = this.#prefix + name;
    const held = this.#entries.get(key) as Promise<T> | undefined;
    if (held) return held;
    const loading = this.#loading.get(key) as Promise<T> | undefined;
    // Somebody else's load may fail with his transaction: then our own one counts.
    return loading ? loading.catch(() => this.#load(key, load)) : this.#load(key, load);
  }

  #load<T>(key: string, load: () => Promise<T>): Promise<T> {
    const loading = load();
    this.#loading.set(key, loading);
    const end = () => {
      if (this.#loading.get(key) === loading) this.#loading.delete(key);
    };
    loading.then(() => {
      this.#entries.set(key, loading);
      end();
    }, end);
    return loading;
  }
}

/** The remembered states of every tenant, within bounds: what was used longest ago makes room. */
export class RememberedStates {
  readonly #entries = new LRUCache<string, Promise<unknown>>({ max: entriesMax });
  readonly #states = new LRUCache<TenantId, RememberedState>({ max: tenantsMax });
  #made = 0;

  of(tenantId: TenantId): RememberedState {
    const known = this.#states.get(tenantId);
    if (known) return known;
    const state = new RememberedState(tenantId, this.#entries, ++this.#made);
    this.#states.set(tenantId, state);
    return state;
  }

  /** Forgets a state that is not the present one; what it held makes room by itself. */
  drop(state: RememberedState): void {
    if (this.#states.peek(state.tenantId) === state) this.#states.delete(state.tenantId);
  }
}
