import type { Refusal } from '@mono-auth/core/errors';
import type { TenantId } from '@mono-auth/core/ids';
import type { Runtime } from '@mono-auth/core/runtime';
import { type GuardedOptions, getGuarded } from '@mono-auth/transport/guarded-http';
import type { Client, PublicJwks } from '../client.ts';
import { readPublicJwks } from '../public-jwks.ts';
import { invalidClient } from './invalid-client.ts';

/** Longest key set, bytes: eight RSA keys of 4096 bits with their certificates stay below. */
const keySetBytesMax = 64 * 1024;
/** Longest time for an answer, milliseconds: a client waits for it. */
const fetchMsMax = 5_000;
/** How long a set is taken as it is, milliseconds: a key that its owner withdraws is refused that much later. */
const freshMs = 300_000;
/** Shortest time between two fetches for one holder, milliseconds: whoever invents a `kid` must not make us a hammer. */
const pauseMs = 30_000;
/** Holders whose sets are held; about 3 KiB each. The one that was fetched first makes room. */
const heldMax = 1_000;
/** Sets that one piece of work may have to wait for: those of a client, and of the issuer of the assertion that it shows. */
const fetchesMax = 2;

/** The keys have to be fetched before the transaction that met this can be decided: it is rolled back and done again. */
class KeysWanted extends Error {
  override readonly name = 'KeysWanted';
  readonly holder: string;
  readonly uri: string;

  constructor(holder: string, uri: string) {
    super('keys have to be fetched');
    this.holder = holder;
    this.uri = uri;
  }
}

interface Held {
  readonly triedAtMs: number;
  /** Undefined: under way, or the fetch has failed. */
  readonly keys: PublicJwks | undefined;
  readonly underWay: Promise<void> | undefined;
}

/** Who publishes keys at an address. */
interface Publisher {
  readonly tenantId: TenantId;
  /** An id within the tenant. */
  readonly id: string;
  readonly uri: string;
}

/** Keys that others publish themselves (`jwks_uri`, RFC 7591 §2): fetched outside transactions, held for a while. */
export class RemoteKeys {
  readonly #runtime: Runtime;
  readonly #options: Pick<GuardedOptions, 'allowLoopback' | 'resolve'>;
  readonly #held = new Map<string, Held>();

  constructor(runtime: Runtime, options: Pick<GuardedOptions, 'allowLoopback' | 'resolve'>) {
    this.#runtime = runtime;
    this.#options = options;
  }

  /**
   * The keys of the client, without any waiting; good inside a transaction.
   * @throws KeysWanted when they have to be fetched: `withKeys` does so. Refusal `invalid_client` when they cannot be had.
   */
  keysOf(tenantId: TenantId, client: Client, kid: string | undefined): PublicJwks {
    const uri = client.manifest?.jwksUri;
    if (uri === undefined) return client.jwks;
    const unreadable = () => invalidClient('its jwks_uri could not be read a moment ago');
    return this.publishedKeys({ tenantId, id: client.id, uri }, kid, unreadable);
  }

  /**
   * What anybody whom the tenant knows publishes at an address, without any waiting.
   * @throws KeysWanted as `keysOf`; `unreadable` when they cannot be had.
   */
  publishedKeys({ tenantId, id, uri }: Publisher, kid: string | undefined, unreadable: () => Refusal): PublicJwks {
    // By the URI as well: what a former one served says nothing once another is approved.
    const holder = `${tenantId}|${id}|${uri}`;
    const held = this.#held.get(holder);
    const ageMs = held ? this.#runtime.monotonicMs() - held.triedAtMs : Number.POSITIVE_INFINITY;
    const keys = ageMs < freshMs ? held?.keys : undefined;
    if (keys && (kid === undefined || keys.keys.some((key) => key.kid === kid))) return keys;
    if (held?.underWay || ageMs >= pauseMs) throw new KeysWanted(holder, uri);
    if (!keys) throw unreadable();
    return keys;
  }

  /** Runs `work`, again after each fetch of keys that it has met and that are not there. Not inside a transaction. */
  async withKeys<T>(work: () => Promise<T>): Promise<T> {
    for (let fetches = 0; ; fetches++) {
      try {
        return await work();
      } catch (wanted) {
        if (!(wanted instanceof KeysWanted) || fetches === fetchesMax) throw wanted;
        await this.#load(wanted);
      }
    }
  }

  #load({ holder, uri }: KeysWanted): Promise<void> {
    const current = this.#held.get(holder);
    if (current?.underWay) return current.underWay;
    const triedAtMs = this.#runtime.monotonicMs();
    // Somebody else's fetch has ended while this one's transaction was rolled back.
    if (current && triedAtMs - current.triedAtMs < pauseMs) return Promise.resolve();
    const underWay = this.#fetch(uri).then((keys) => {
      this.#held.set(holder, { triedAtMs, keys, underWay: undefined });
    });
    this.#held.delete(holder);
    this.#held.set(holder, { triedAtMs, keys: undefined, underWay });
    const [first] = this.#held.keys();
    if (this.#held.size > heldMax && first !== undefined) this.#held.delete(first);
    return underWay;
  }

  /** Undefined when the set cannot be had or is none: errors are not held any longer than the pause. */
  async #fetch(uri: string): Promise<PublicJwks | undefined> {
    try {
      const { text } = await getGuarded(uri, { ...this.#options, bytesMax: keySetBytesMax, msMax: fetchMsMax });
      return readPublicJwks(JSON.parse(text), 'jwks_uri');
    } catch {
      return undefined;
    }
  }
}
