import { Refusal } from '@mono-auth/core/errors';
import type { TenantId } from '@mono-auth/core/ids';

/**
 * A store of which everything may vanish at any time: nothing in it is truth (law 1). The drivers hold to one contract,
 * `ephemeral-contract.ts`. A kind is used with one of the operations only. Not to be called inside a transaction.
 */
export interface Ephemeral {
  /** A random value kept in the store: another one than before means that the store was lost in between. */
  incarnation(): Promise<string>;
  /**
   * True exactly once within `ttlMs`, also for callers at the same moment.
   * @param incarnation the one under which we issued what is consumed now: under another one the answer is false, because
   *   a store that was lost has also forgotten what was consumed in it. Without it, the consumption stands in Postgres.
   */
  consumeOnce(tenantId: TenantId, kind: string, key: string, ttlMs: number, incarnation?: string): Promise<boolean>;
  /** Adds one and answers the sum of the window, which starts with its first call. */
  count(tenantId: TenantId, kind: string, key: string, windowMs: number): Promise<number>;
  /** Ends the window of a count: the next call starts one. */
  uncount(tenantId: TenantId, kind: string, key: string): Promise<void>;
  get(tenantId: TenantId, kind: string, key: string): Promise<string | undefined>;
  set(tenantId: TenantId, kind: string, key: string, value: string, ttlMs: number): Promise<void>;
  /** Gets and deletes at once: of several callers one gets the value. */
  take(tenantId: TenantId, kind: string, key: string): Promise<string | undefined>;
  /** Sends a hint, which may be lost. The payload carries ids only. */
  publish(channel: string, payload: string): Promise<void>;
  /**
   * Hears hints, until the function that it answers is called. An empty payload says: hints were lost, read again.
   */
  subscribe(channel: string, heard: (payload: string) => void): Promise<() => void>;
  close(): Promise<void>;
}

/** Longest value, characters: a hot copy of a session with its user stays below 4 KiB. */
export const valueCharsMax = 64 * 1024;
/** Longest life, milliseconds: what must live longer than a refresh token (30 days) belongs in a table of its own. */
const ttlMsMax = 31 * 24 * 3_600_000;
/** Longest payload of a hint, characters: a few ids. Postgres itself ends at 8,000 bytes. */
const payloadCharsMax = 1_000;

const kindPattern = /^[a-z][a-z0-9_]{0,31}$/;
const channelPattern = /^[a-z_]{1,63}$/;
/** Ids, numbers and what separates them; no room for data (law 2). */
const payloadPattern = /^[A-Za-z0-9_:.,|/=-]*$/;

/** @throws TypeError on a kind or a time to live that only a mistake in our code can make. */
export function checkEntry(kind: string, ttlMs?: number): void {
  if (!kindPattern.test(kind)) throw new TypeError(`not a kind of ephemeral entries: ${kind}`);
  if (ttlMs !== undefined && !(Number.isSafeInteger(ttlMs) && ttlMs > 0 && ttlMs <= ttlMsMax)) {
    throw new TypeError(`${kind}: ${ttlMs} ms is no time to live; 1 to ${ttlMsMax}`);
  }
}

/** @throws Refusal `too_large`. */
export function checkValue(kind: string, value: string): void {
  if (value.length > valueCharsMax) throw new Refusal('too_large', `${kind}: more than ${valueCharsMax} characters`);
}

/** @throws TypeError on a channel that no driver takes. */
export function checkChannel(channel: string): void {
  if (!channelPattern.test(channel)) throw new TypeError(`not a channel name: ${channel}`);
}

/** @throws TypeError on a payload that is more than ids. */
export function checkHint(channel: string, payload: string): void {
  checkChannel(channel);
  if (payload.length > payloadCharsMax || !payloadPattern.test(payload)) {
    throw new TypeError(`${channel}: a hint carries ids only, at most ${payloadCharsMax} characters`);
  }
}
