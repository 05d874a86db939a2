import { fromBase64url, textOf } from '@mono-auth/core/encoding';
import { Refusal } from '@mono-auth/core/errors';
import type { Runtime } from '@mono-auth/core/runtime';
import { FeedSubscriber, type FeedSubscriberOptions, refusalOf, type Verifier } from '@mono-auth/sdk';

/** What is known of a token. `unproven`: it is none of ours; `unknown`: revocations cannot be known now. */
export type Verdict = 'good' | 'revoked' | 'unproven' | 'unknown';

export interface TenantWatchDeps {
  readonly runtime: Runtime;
  readonly subscription: FeedSubscriberOptions & Required<Pick<FeedSubscriberOptions, 'fetch' | 'onError'>>;
  /** Proves signature, issuer, audience and times, and knows nothing of revocations. */
  readonly verifier: Verifier;
}

/** Pause before the first attempt to begin anew, and the longest, milliseconds: what refuses us may last. */
const backoffMsMin = 1_000;
const backoffMsMax = 60_000;

/** Follows the feed of one tenant, in the background from its making on, until it is closed. */
export class TenantWatch {
  readonly #deps: TenantWatchDeps;
  readonly #closed = new AbortController();
  readonly #running: Promise<void>;
  #subscriber: FeedSubscriber | undefined;

  constructor(deps: TenantWatchDeps) {
    this.#deps = deps;
    this.#running = this.#begin();
  }

  /** The signature comes first, so that a forged token learns nothing of revocations. */
  async judge(token: string): Promise<Verdict> {
    const subscriber = this.#subscriber;
    if (!subscriber?.isFresh()) return 'unknown';
    try {
      const claims = await this.#deps.verifier.verify(token);
      if (claims.tenant_id !== subscriber.tenantId) return 'unproven';
      const { revoked } = subscriber.state.isRevoked({ ...claims, kid: kidOf(token) });
      // Verifying may have waited for a key, and the lease ended meanwhile.
      if (!subscriber.isFresh()) return 'unknown';
      return revoked ? 'revoked' : 'good';
    } catch (error) {
      return error instanceof Refusal && !error.row.retry ? 'unproven' : 'unknown';
    }
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await this.#running;
    await this.#subscriber?.close();
  }

  /** A subscriber follows by itself once it has begun; what keeps it from that is tried again. */
  async #begin(): Promise<void> {
    const { runtime, subscription } = this.#deps;
    const { signal } = this.#closed;
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        this.#subscriber = await FeedSubscriber.start({ ...subscription, fetch: this.#fetch });
        return;
      } catch (error) {
        if (!signal.aborted) subscription.onError(refusalOf(error));
      }
      const backoffMs = Math.min(backoffMsMax, backoffMsMin * 2 ** failures);
      await runtime.sleep(backoffMs, signal).catch(() => undefined);
    }
  }

  /** Closing does not wait for an answer. */
  readonly #fetch: FeedSubscriberOptions['fetch'] & {} = (input, init) => {
    const signals = [this.#closed.signal, init?.signal].filter((signal) => signal != null);
    return this.#deps.subscription.fetch(input, { ...init, signal: AbortSignal.any(signals) });
  };
}

/** Of a token that was verified: its header is JSON and names a key. */
function kidOf(token: string): string {
  const [header = ''] = token.split('.', 1);
  return (JSON.parse(textOf(fromBase64url(header))) as { kid: string }).kid;
}
