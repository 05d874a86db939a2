import { Refusal } from '@mono-auth/core/errors';
import type { Runtime } from '@mono-auth/core/runtime';
import type { JWK } from 'jose';
import { fetchJson } from './fetch-json.ts';
import { fetchIssuerMetadata } from './issuer-metadata.ts';
import type { Fetch } from './rpc-transport.ts';

/** Until here the set is used without a question, milliseconds. */
const freshMs = 5 * 60_000;
/** Until here it is used while it is fetched again; an issuer that was away for longer must answer first. */
const staleMsMax = 60 * 60_000;
/** Unknown kids cost nothing to invent: one of them leads to a fetch at most this often, milliseconds. */
const missIntervalMs = 30_000;
/** Keys in a set: two algorithms, before, during and after a rotation, fit many times over. */
const keysMax = 64;

interface HeldKeys {
  readonly byKid: ReadonlyMap<string, JWK>;
  readonly fetchedAtMs: number;
}

/** The issuer's keys, found from its discovery document and kept: fetched once for all who ask at the same time. */
export class KeySet {
  readonly #issuer: string;
  readonly #fetch: Fetch;
  readonly #runtime: Runtime;
  #held: HeldKeys | undefined;
  #underWay: Promise<HeldKeys> | undefined;
  #missedAtMs = Number.NEGATIVE_INFINITY;

  constructor(issuer: string, fetch: Fetch, runtime: Runtime) {
    this.#issuer = issuer;
    this.#fetch = fetch;
    this.#runtime = runtime;
  }

  /**
   * The key of that name; undefined when the issuer has none.
   * @throws Refusal `unavailable` when the keys cannot be had at all.
   */
  async find(kid: string): Promise<JWK | undefined> {
    const held = await this.#current();
    const known = held.byKid.get(kid);
    const nowMs = this.#runtime.monotonicMs();
    // Just fetched: asking again would be answered alike.
    if (known || held.fetchedAtMs === nowMs || nowMs - this.#missedAtMs < missIntervalMs) return known;
    this.#missedAtMs = nowMs;
    // An issuer that does not answer now has not said that it knows this key.
    const fetched = await this.#refresh().catch(() => held);
    return fetched.byKid.get(kid);
  }

  async #current(): Promise<HeldKeys> {
    if (!this.#held) return this.#refresh();
    const ageMs = this.#runtime.monotonicMs() - this.#held.fetchedAtMs;
    if (ageMs < freshMs) return this.#held;
    const refreshed = this.#refresh();
    if (ageMs >= staleMsMax) return refreshed;
    // Whoever asked is answered from what is held; the next one after a failure asks again.
    refreshed.catch(() => undefined);
    return this.#held;
  }

  #refresh(): Promise<HeldKeys> {
    this.#underWay ??= this.#load().finally(() => {
      this.#underWay = undefined;
    });
    return this.#underWay;
  }

  async #load(): Promise<HeldKeys> {
    const { jwksUri } = await fetchIssuerMetadata(this.#issuer, this.#fetch);
    const { status, body } = await fetchJson(this.#fetch, jwksUri);
    if (status !== 200) throw new Refusal('unavailable', `jwks: the issuer answered ${status}`);
    this.#held = { byKid: readKeys(body), fetchedAtMs: this.#runtime.monotonicMs() };
    return this.#held;
  }
}

/** RFC 7517 §5: keys that are not understood are passed over. */
function readKeys(body: unknown): ReadonlyMap<string, JWK> {
  const keys = (body as { keys?: unknown } | undefined | null)?.keys;
  if (!Array.isArray(keys)) throw new Refusal('unavailable', 'jwks: not a JWK Set');
  const usable = keys.slice(0, keysMax).filter(isSigningKey);
  return new Map(usable.map((key) => [key.kid, key]));
}

function isSigningKey(key: unknown): key is JWK & { kid: string } {
  if (typeof key !== 'object' || key === null) return false;
  const { kid, kty, use } = key as JWK;
  // A symmetric key in a public place verifies nothing (RFC 8725 §3.5).
  return typeof kid === 'string' && kid !== '' && kty !== 'oct' && (use === undefined || use === 'sig');
}
