import { type Client, createClient } from '@connectrpc/connect';
import { base64url } from '@mono-auth/core/encoding';
import { type Reason, Refusal } from '@mono-auth/core/errors';
import type { TenantId } from '@mono-auth/core/ids';
import { unaryDeadlineMsMax } from '@mono-auth/core/limits';
import { type Runtime, systemRuntime } from '@mono-auth/core/runtime';
import {
  type ClockReading,
  type chain,
  type cursor,
  type FeedStatus,
  LocalFeed,
  leaseLimits,
  RevocationState,
} from '@mono-auth/feed-engine';
import { FeedService, type WatchResponse } from '@mono-auth/proto/monoauth/feed/v1/feed';
import type { JWK } from 'jose';
import { readEntry, readHead, readSnapshot, writeCursor } from './feed-messages.ts';
import { type FeedStore, type RestoredFeed, restoreFeed, storedFeed } from './feed-store.ts';
import { type FeedTrust, openCertificate, pinRoot } from './feed-trust.ts';
import { refusalOf } from './rpc-errors.ts';
import { createRpcTransport, type Fetch, type TokenSource } from './rpc-transport.ts';
import { WakeUp } from './wake-up.ts';

export interface FeedSubscriberOptions {
  readonly issuer: string;
  /** Tokens of this service's client, audience `{issuer}/rpc`, scope `feed:follow`. */
  readonly tokens: TokenSource;
  /** Unique per client: two processes of one service follow under two names. */
  readonly name: string;
  /** How long to trust what is held without an answer, 1,000 to 60,000 ms; the default is 5,000. */
  readonly leaseMs?: number;
  /** The platform root's public JWK. Without it the first one offered is pinned, and kept in `store`. */
  readonly rootJwk?: JWK;
  readonly store?: FeedStore;
  readonly fetch?: Fetch;
  readonly runtime?: Runtime;
  /** Told of everything that interrupts following; it is taken up again by itself. */
  readonly onError?: (refusal: Refusal) => void;
}

export type EntryListener = (entry: chain.FeedEntry) => void;

/** An acknowledgement a second at most, and later by up to a fifth, so that subscribers do not answer in step. */
const acknowledgeIntervalMs = 1_000;
const jitter = 0.2;
/** A shorter lease than this needs more than one acknowledgement a second to be held at all. */
const acknowledgementsPerLease = 3;
/** Heads come every second: after this long without one the connection is dead, whatever TCP believes, milliseconds. */
const silenceMsMax = 4 * leaseLimits.headIntervalMs;
/** Pause before the first attempt to reconnect, and the longest, milliseconds. */
const backoffMsMin = 100;
const backoffMsMax = 10_000;
/** With these answers to GetSnapshot the feed is replayed instead: an older server, or a state too large for a snapshot. */
const replayReasons: readonly string[] = ['unimplemented', 'too_large'] satisfies Reason[];
/** Somebody waits for these; the rest is acknowledged with the next interval. */
const urgentKinds: readonly string[] = ['revocation', 'epoch', 'key'];

interface Registration {
  readonly subscriberId: string;
  readonly trust: FeedTrust;
}

/**
 * Follows the tenant's feed: begins with a signed snapshot, proves every entry, acknowledges every revocation, and has no
 * trust beyond the lease. It never gives up; while it cannot follow it is stale, and `isFresh()` says so.
 */
export class FeedSubscriber {
  readonly #options: FeedSubscriberOptions;
  readonly #runtime: Runtime;
  readonly #client: Client<typeof FeedService>;
  readonly #closed = new AbortController();
  readonly #due: WakeUp;
  readonly #listeners = new Set<EntryListener>();
  readonly #snapshotListeners = new Set<() => void>();
  #waiting: (() => void)[] = [];
  #running: Promise<void> = Promise.resolve();
  #restored: RestoredFeed | undefined;
  #rootJwk: JWK | undefined;
  #local: LocalFeed | undefined;
  #registration: Registration | undefined;
  #renewToken = false;
  /** Whether and when this connection has delivered anything. */
  #heard = false;
  #heardAtMs = 0;
  #saving: Promise<void> | undefined;
  #unsaved = false;

  private constructor(options: FeedSubscriberOptions, restored: RestoredFeed | undefined, pinned: JWK | undefined) {
    const { issuer, fetch, runtime = systemRuntime } = options;
    this.#options = options;
    this.#runtime = runtime;
    this.#due = new WakeUp(runtime);
    this.#restored = restored;
    this.#rootJwk = pinned;
    const tokens: TokenSource = () => {
      const renew = this.#renewToken;
      this.#renewToken = false;
      return options.tokens({ renew });
    };
    this.#client = createClient(FeedService, createRpcTransport({ issuer, tokens, fetch }));
  }

  /**
   * Registers and begins to follow. A control plane that is away is no reason to fail: the subscriber is stale until it
   * is back. `whenFresh` waits for that.
   * @throws Refusal for what will not go away: not authenticated, not permitted, another root than the pinned one.
   */
  static async start(options: FeedSubscriberOptions): Promise<FeedSubscriber> {
    const stored = await options.store?.load();
    const subscriber = new FeedSubscriber(options, restoreFeed(stored), options.rootJwk ?? stored?.rootJwk);
    try {
      subscriber.#registration = await subscriber.#register();
    } catch (error) {
      const refusal = refusalOf(error);
      if (!refusal.row.retry) throw refusal;
      options.onError?.(refusal);
    }
    subscriber.#running = subscriber.#run();
    return subscriber;
  }

  /** Ask before deciding and again after it: stale means closed. */
  isFresh(): boolean {
    return this.status === 'live';
  }

  /** `live`: may decide. `snapshot` and `resync`: holds nothing; `stale`: cannot know whether it holds everything. */
  get status(): FeedStatus {
    return this.#local?.status(this.#clock()) ?? 'snapshot';
  }

  /** What has been taken away so far; empty until the first connection, when it is not fresh either. */
  get state(): RevocationState {
    return this.#local?.state ?? new RevocationState();
  }

  get cursor(): cursor.FeedPosition | undefined {
    return this.#local?.position;
  }

  get tenantId(): TenantId | undefined {
    return this.#local?.tenantId;
  }

  /** The certified feed key of the current connection. */
  get trust(): FeedTrust | undefined {
    return this.#registration?.trust;
  }

  /** Hands over every entry that comes by the stream, once it is applied. @returns how to stop that. */
  onEntry(listener: EntryListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Says that a snapshot was taken: the entries up to it come to no listener. @returns how to stop that. */
  onSnapshot(listener: () => void): () => void {
    this.#snapshotListeners.add(listener);
    return () => this.#snapshotListeners.delete(listener);
  }

  /** Resolves as soon as the lease holds. @throws Refusal `feed_stale` when it does not within `timeoutMs`. */
  async whenFresh(timeoutMs: number): Promise<void> {
    if (this.isFresh()) return;
    const over = new AbortController();
    const fresh = new Promise<boolean>((resolve) => this.#waiting.push(() => resolve(true)));
    const late = this.#runtime.sleep(timeoutMs, over.signal).then(
      () => false,
      () => false,
    );
    const inTime = await Promise.race([fresh, late]);
    over.abort();
    if (!inTime) throw new Refusal('feed_stale', `feed: not fresh within ${timeoutMs} ms`);
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await this.#running;
    await this.#saving;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closed;
    for (let failures = 0; !signal.aborted; failures++) {
      const refusal = refusalOf(await this.#follow().catch((error: unknown) => error));
      if (signal.aborted) return;
      // An epoch or a revocation may have ended the token long before it expires.
      if (refusal.row.http === 401) this.#renewToken = true;
      if (refusal.reason === 'reset_required') this.#local?.reset();
      this.#registration = undefined;
      this.#options.onError?.(refusal);
      if (this.#heard) failures = 0;
      await this.#runtime.sleep(this.#backoffMs(failures), signal).catch(() => undefined);
    }
  }

  /** One connection, from its registration to its end. @throws why it ended. */
  async #follow(): Promise<never> {
    this.#heard = false;
    this.#registration ??= await this.#register();
    const { subscriberId, trust } = this.#registration;
    const local = this.#local as LocalFeed;
    if (!local.position) await this.#takeSnapshot(this.#registration);
    const connection = new AbortController();
    const signal = AbortSignal.any([this.#closed.signal, connection.signal]);
    const request = { subscriberId, ...(local.position && { cursor: writeCursor(local.position) }) };
    this.#heardAtMs = this.#runtime.monotonicMs();
    const acknowledging = this.#keepAcknowledging(this.#registration, connection);
    try {
      let first = true;
      for await (const message of this.#client.watch(request, { signal, timeoutMs: 0 })) {
        await this.#take(message, trust, first);
        first = false;
      }
      throw new Refusal('unavailable', 'feed: the stream ended');
    } catch (error) {
      throw connection.signal.reason instanceof Refusal ? connection.signal.reason : error;
    } finally {
      connection.abort();
      await acknowledging;
    }
  }

  /** Begins anew with what the feed has taken away by now; without a snapshot, from the first entry on. */
  async #takeSnapshot({ subscriberId, trust }: Registration): Promise<void> {
    const local = this.#local as LocalFeed;
    const request = { subscriberId, ...(local.proven && { proven: writeCursor(local.proven) }) };
    const options = { signal: this.#closed.signal, timeoutMs: unaryDeadlineMsMax };
    try {
      local.takeSnapshot(await readSnapshot(this.#client.getSnapshot(request, options), trust));
    } catch (error) {
      if (replayReasons.includes(refusalOf(error).reason)) return;
      throw error;
    }
    this.#save();
    this.#due.ring();
    for (const listener of this.#snapshotListeners) this.#tell(listener);
  }

  async #register(): Promise<Registration> {
    const { name, leaseMs = leaseLimits.defaultLeaseMs } = this.#options;
    const { signal } = this.#closed;
    const answer = await this.#client.register({ name, leaseMs }, { signal }).catch((error: unknown) => {
      throw refusalOf(error);
    });
    const rootJwk = await pinRoot(this.#rootJwk, answer.rootJwk as JWK | undefined);
    const trust = await openCertificate(answer.feedKeyCertificate, rootJwk, this.#runtime);
    const known = this.#local?.tenantId;
    if (known && known !== trust.tenantId) throw new Refusal('verification_failed', 'feed key: of another tenant');
    this.#rootJwk = rootJwk;
    if (this.#local?.leaseMs !== answer.leaseMs) this.#adopt(trust.tenantId, answer.leaseMs);
    this.#save();
    return { subscriberId: answer.subscriberId, trust };
  }

  /** The server's word on the lease counts, because that is how long it waits before it says "fenced". */
  #adopt(tenantId: TenantId, leaseMs: number): void {
    const { position, state } = this.#local ?? {};
    const held = position && state ? { position, state } : this.#restored;
    const restored = this.#restored && this.#restored.tenantId !== tenantId ? undefined : held;
    this.#restored = undefined;
    this.#local = new LocalFeed({ tenantId, leaseMs, restored });
  }

  async #take(message: WatchResponse, trust: FeedTrust, first: boolean): Promise<void> {
    const local = this.#local as LocalFeed;
    const head = await readHead(message.head, trust);
    const applied = local.take(message.entries.map(readEntry), head);
    this.#heard = true;
    this.#heardAtMs = this.#runtime.monotonicMs();
    if (first || applied.some(({ kind }) => urgentKinds.includes(kind))) this.#due.ring();
    this.#tellFresh();
    if (applied.length > 0) this.#save();
    for (const entry of applied) for (const listener of this.#listeners) this.#tell(() => listener(entry));
  }

  async #keepAcknowledging(registration: Registration, connection: AbortController): Promise<void> {
    const signal = AbortSignal.any([this.#closed.signal, connection.signal]);
    const leaseMs = (this.#local as LocalFeed).leaseMs;
    const everyMs = Math.min(acknowledgeIntervalMs, leaseMs / acknowledgementsPerLease);
    while (!signal.aborted) {
      await this.#due.pause(everyMs * (1 + jitter * this.#random()), signal);
      const silentMs = this.#runtime.monotonicMs() - this.#heardAtMs;
      if (silentMs > silenceMsMax) connection.abort(new Refusal('unavailable', `feed: silent for ${silentMs} ms`));
      if (signal.aborted) return;
      try {
        await this.#acknowledge(registration, signal);
      } catch (error) {
        const refusal = refusalOf(error);
        // What may pass costs the lease at most; anything else ends this connection, and the next one begins anew.
        if (!refusal.row.retry) connection.abort(refusal);
        else if (!signal.aborted) this.#options.onError?.(refusal);
      }
    }
  }

  async #acknowledge({ subscriberId, trust }: Registration, signal: AbortSignal): Promise<void> {
    const local = this.#local as LocalFeed;
    const nonce = base64url(this.#runtime.randomBytes(16));
    const told = local.acknowledge(nonce, this.#clock());
    if (!told) return;
    // A server grants no unary call more than this, however long the lease.
    const timeoutMs = Math.min(local.leaseMs, unaryDeadlineMsMax);
    const request = { subscriberId, applied: writeCursor(told.position), nonce };
    const { head } = await this.#client.acknowledge(request, { signal, timeoutMs });
    local.answered(await readHead(head, trust), told, this.#clock());
    this.#tellFresh();
  }

  #tellFresh(): void {
    if (this.#waiting.length === 0 || !this.isFresh()) return;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** A listener that fails must not hold the feed up. */
  #tell(listener: () => void): void {
    try {
      listener();
    } catch (error) {
      this.#options.onError?.(refusalOf(error));
    }
  }

  /** One save at a time, of what is held when it begins; a store that fails costs a slower start, no more. */
  #save(): void {
    const { store, onError } = this.#options;
    if (!store) return;
    this.#unsaved = true;
    this.#saving ??= this.#saveAll(store)
      .catch((error: unknown) => onError?.(refusalOf(error)))
      .finally(() => {
        this.#saving = undefined;
      });
  }

  async #saveAll(store: FeedStore): Promise<void> {
    while (this.#unsaved) {
      this.#unsaved = false;
      const { tenantId, position, state } = this.#local as LocalFeed;
      if (position) await store.save(storedFeed({ tenantId, rootJwk: this.#rootJwk as JWK, position, state }));
    }
  }

  #backoffMs(failures: number): number {
    const most = Math.min(backoffMsMax, backoffMsMin * 2 ** failures);
    return backoffMsMin / 2 + this.#random() * most;
  }

  #clock(): ClockReading {
    return { nowMs: this.#runtime.nowMs(), monotonicMs: this.#runtime.monotonicMs() };
  }

  /** 0 up to 1. */
  #random(): number {
    return new DataView(this.#runtime.randomBytes(4).buffer).getUint32(0) / 2 ** 32;
  }
}
