import { type Client, createClient } from '@connectrpc/connect';
import { equalBytes, fromBase64url, textOf } from '@mono-auth/core/encoding';
import { Refusal } from '@mono-auth/core/errors';
import { type Runtime, systemRuntime } from '@mono-auth/core/runtime';
import { type chain, payload } from '@mono-auth/feed-engine';
import {
  type DecisionRequest,
  decodeSnapshot,
  type EngineDecision,
  hashSnapshot,
  openEngine,
  type PolicyEngine,
} from '@mono-auth/policy-engine';
import { PolicyService } from '@mono-auth/proto/monoauth/policy/v1/policy';
import type { FeedSubscriber } from './feed-subscriber.ts';
import { refusalOf } from './rpc-errors.ts';
import { createRpcTransport, type Fetch, type TokenSource } from './rpc-transport.ts';

/** `typ` of policy statements. */
const statementType = 'mono-policy+jwt';
/** How long decisions go on by the version held once a newer one is announced, milliseconds: a fetch and its repetition. */
const announcedMsMax = 5_000;
/** Pause before a failed fetch is repeated, milliseconds. */
const retryMs = 500;

export interface PolicyHolderOptions {
  readonly issuer: string;
  /** Tokens with audience `{issuer}/rpc` and scope `policy:read`. */
  readonly tokens: TokenSource;
  /** Names the tenant and its certified feed key, announces new versions and says when nothing may be trusted. */
  readonly subscriber: FeedSubscriber;
  readonly fetch?: Fetch;
  readonly runtime?: Runtime;
  readonly onError?: (refusal: Refusal) => void;
}

export interface HeldDecision extends EngineDecision {
  readonly policyVersion: number;
}

interface HeldPolicy {
  readonly version: number;
  readonly incarnation: number;
  readonly hash: Uint8Array;
  readonly engine: PolicyEngine;
}

interface Statement {
  readonly tenant_id: string;
  readonly version: number;
  readonly hash: string;
  readonly incarnation: number;
}

/** Holds the tenant's current policy and decides by it in process: the evaluator that the control plane itself uses. */
export class PolicyHolder {
  readonly #client: Client<typeof PolicyService>;
  readonly #subscriber: FeedSubscriber;
  readonly #runtime: Runtime;
  readonly #onError: (refusal: Refusal) => void;
  readonly #closed = new AbortController();
  readonly #unsubscribe: readonly (() => void)[];
  #held: HeldPolicy | undefined;
  #announced = { version: 0, atMs: 0 };
  /** Set while an announcement may have been passed over: another object for each time, since the first of them. */
  #passedOver: { readonly sinceMs: number } | undefined;
  #fetching: Promise<void> | undefined;

  private constructor({ issuer, tokens, subscriber, fetch, runtime, onError }: PolicyHolderOptions) {
    this.#client = createClient(PolicyService, createRpcTransport({ issuer, tokens, fetch }));
    this.#subscriber = subscriber;
    this.#runtime = runtime ?? systemRuntime;
    this.#onError = onError ?? (() => undefined);
    this.#unsubscribe = [
      subscriber.onEntry((entry) => this.#hear(entry)),
      subscriber.onSnapshot(() => this.#passOver()),
    ];
  }

  /** Fetches the current policy. @throws Refusal when it cannot be had or is not proven. */
  static async start(options: PolicyHolderOptions): Promise<PolicyHolder> {
    const holder = new PolicyHolder(options);
    try {
      await holder.#fetch();
    } catch (error) {
      await holder.close();
      throw refusalOf(error);
    }
    return holder;
  }

  /** Version of the policy held. */
  get version(): number {
    return this.#held?.version ?? 0;
  }

  /**
   * Decides by the policy held.
   * @throws Refusal `feed_stale` when nothing may be trusted: the lease is over, before or while deciding, or a newer
   * version was announced a while ago, or may have been, and could not be had.
   */
  decide(request: DecisionRequest): HeldDecision {
    const held = this.#held;
    if (!held) throw new Refusal('feed_stale', 'no policy is held');
    this.#assertCurrent(held);
    const decision = held.engine.decide(request);
    this.#assertCurrent(held);
    return { ...decision, policyVersion: held.version };
  }

  async close(): Promise<void> {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    this.#closed.abort();
    await this.#fetching;
  }

  #assertCurrent(held: HeldPolicy): void {
    if (!this.#subscriber.isFresh()) throw new Refusal('feed_stale', 'revocations cannot be known now');
    const { version, atMs } = this.#announced;
    const waitingSince = [version > held.version ? atMs : undefined, this.#passedOver?.sinceMs];
    const nowMs = this.#runtime.monotonicMs();
    if (waitingSince.some((sinceMs) => sinceMs !== undefined && nowMs - sinceMs > announcedMsMax)) {
      throw new Refusal('feed_stale', 'a newer policy cannot be had');
    }
  }

  #hear(entry: chain.FeedEntry): void {
    if (entry.kind !== 'policy') return;
    const { version } = payload.parsePayload('policy', entry.payload);
    if (version <= Math.max(this.version, this.#announced.version)) return;
    // The clock of the oldest announcement that is not answered yet goes on.
    const waiting = this.#announced.version > this.version;
    this.#announced = { version, atMs: waiting ? this.#announced.atMs : this.#runtime.monotonicMs() };
    this.#startCatchUp();
  }

  /** A snapshot says nothing of policies: what was announced before it is asked for. */
  #passOver(): void {
    this.#passedOver = { sinceMs: this.#passedOver?.sinceMs ?? this.#runtime.monotonicMs() };
    this.#startCatchUp();
  }

  #startCatchUp(): void {
    this.#fetching ??= this.#catchUp().finally(() => {
      this.#fetching = undefined;
    });
  }

  async #catchUp(): Promise<void> {
    const { signal } = this.#closed;
    while (!signal.aborted && (this.#passedOver || this.version < this.#announced.version)) {
      const passedOver = this.#passedOver;
      try {
        await this.#fetch();
        // What was passed over while fetching is asked for again.
        if (this.#passedOver === passedOver) this.#passedOver = undefined;
      } catch (error) {
        if (signal.aborted) return;
        this.#onError(refusalOf(error));
        await this.#runtime.sleep(retryMs, signal).catch(() => undefined);
      }
    }
  }

  async #fetch(): Promise<void> {
    const { statement, snapshot } = await this.#client.getSnapshot({}, { signal: this.#closed.signal });
    const { trust } = this.#subscriber;
    if (!trust) throw new Refusal('feed_stale', 'the feed key is not known');
    const signed = readStatement(await trust.openStatement(statement, statementType));
    const hash = hashSnapshot(snapshot);
    if (signed.tenant_id !== trust.tenantId) throw unproven('of another tenant');
    if (!equalBytes(hash, readHash(signed.hash))) throw unproven('not the one that was signed');
    const { tenantId, version } = decodeSnapshot(snapshot);
    if (tenantId !== trust.tenantId || version !== signed.version) throw unproven('not the one that was signed');
    this.#checkProgress({ version, incarnation: signed.incarnation, hash });
    if (this.#held?.version === version && this.#held.incarnation === signed.incarnation) return;
    this.#held = { version, incarnation: signed.incarnation, hash, engine: openEngine(decodeSnapshot(snapshot)) };
  }

  /** A version never goes back within one life of the database, nor means two things. */
  #checkProgress({ version, incarnation, hash }: Omit<HeldPolicy, 'engine'>): void {
    const held = this.#held;
    if (!held || incarnation > held.incarnation) return;
    if (incarnation < held.incarnation || version < held.version) throw unproven('older than the one that is held');
    if (version === held.version && !equalBytes(hash, held.hash)) throw unproven('another one of the same version');
  }
}

function readStatement(bytes: Uint8Array): Statement {
  const { tenant_id, version, hash, incarnation } = JSON.parse(textOf(bytes)) as Partial<Statement>;
  const counts = [version, incarnation].every((value) => Number.isSafeInteger(value) && (value as number) >= 0);
  if (typeof tenant_id !== 'string' || typeof hash !== 'string' || !counts) throw unproven('signed in an unknown form');
  return { tenant_id, version: version as number, hash, incarnation: incarnation as number };
}

function readHash(text: string): Uint8Array {
  try {
    return fromBase64url(text);
  } catch (cause) {
    throw unproven('signed in an unknown form', cause);
  }
}

function unproven(why: string, cause?: unknown): Refusal {
  return new Refusal('verification_failed', `policy snapshot: ${why}`, { cause });
}
