import type { TenantId } from '@mono-auth/core/ids';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type VerifiedHead, verifyHead } from './head.ts';
import { type ClockReading, Lease } from './lease.ts';

const tenantId = 'ten_01arz3ndektsv4rrffq69g5fav' as TenantId;

function answer(nonce: string, seq = 0): Promise<VerifiedHead> {
  const head = { tenantId, incarnation: 1, seq, headHash: new Uint8Array(32), issuedAtMs: 0, nonce };
  return verifyHead(head, new Uint8Array(), () => true);
}
/** Both clocks run alike, from different origins. */
const clock = (ms: number): ClockReading => ({ nowMs: 1_000_000 + ms, monotonicMs: 50 + ms });
const [a, b, ahead] = await Promise.all([answer('a'), answer('b'), answer('a', 8)]);

describe('a lease', () => {
  test('is stale before the first answer', () => {
    const lease = new Lease(5_000);
    expect(lease.isFresh(clock(0))).toBe(false);
    lease.sent('a', clock(0));
    expect(lease.isFresh(clock(1))).toBe(false);
  });

  test('counts from the sending of the nonce, not from the answer', () => {
    const lease = new Lease(5_000);
    lease.sent('a', clock(0));
    expect(lease.answered(a, clock(4_000))).toBe(true);
    expect(lease.remainingMs(clock(4_000))).toBe(1_000);
    expect(lease.isFresh(clock(4_999))).toBe(true);
    expect(lease.isFresh(clock(5_000))).toBe(false);
  });

  test('is not renewed by a nonce that was never sent, was answered already, or is absent', async () => {
    const lease = new Lease(5_000);
    lease.sent('a', clock(0));
    expect(lease.answered(b, clock(1))).toBe(false);
    expect(lease.answered(await answer(''), clock(1))).toBe(false);
    expect(lease.isFresh(clock(1))).toBe(false);
    expect(lease.answered(a, clock(2))).toBe(true);
    expect(lease.answered(a, clock(4_000))).toBe(false);
    expect(lease.isFresh(clock(5_000))).toBe(false);
  });

  test('never moves back when answers overtake each other', () => {
    const lease = new Lease(5_000);
    lease.sent('a', clock(0));
    lease.sent('b', clock(1_000));
    lease.answered(b, clock(1_100));
    lease.answered(a, clock(1_200));
    expect(lease.remainingMs(clock(1_200))).toBe(4_800);
  });

  test('waits for the entries that its head speaks of', () => {
    const lease = new Lease(5_000);
    lease.sent('a', clock(0));
    lease.answered(ahead, clock(10));
    lease.applied(7);
    expect(lease.isFresh(clock(20))).toBe(false);
    lease.applied(8);
    expect(lease.isFresh(clock(30))).toBe(true);
    expect(lease.isFresh(clock(5_000))).toBe(false);
  });

  test('ends when either clock says so: a sleeping machine, a clock set forward', () => {
    for (const later of [
      { nowMs: 1_005_000, monotonicMs: 51 },
      { nowMs: 1_000_001, monotonicMs: 5_050 },
    ]) {
      const lease = new Lease(5_000);
      lease.sent('a', clock(0));
      lease.answered(a, clock(0));
      expect(lease.isFresh(later)).toBe(false);
    }
  });

  test('ends at once when the wall clock runs backwards, and nonces sent before count no more', () => {
    const lease = new Lease(5_000);
    lease.sent('a', clock(0));
    lease.answered(a, clock(100));
    lease.sent('b', clock(200));
    const setBack = { nowMs: 1_000_199, monotonicMs: 251 };
    expect(lease.isFresh(setBack)).toBe(false);
    expect(lease.answered(b, { nowMs: 1_000_200, monotonicMs: 252 })).toBe(false);
    expect(lease.isFresh(clock(300))).toBe(false);
  });

  test('is stale on clocks that are no numbers', () => {
    const lease = new Lease(5_000);
    lease.sent('a', clock(0));
    lease.answered(a, clock(0));
    expect(lease.isFresh({ nowMs: Number.NaN, monotonicMs: 51 })).toBe(false);
  });

  test('ended by a resync, it needs a nonce sent and entries applied since', () => {
    const lease = new Lease(5_000);
    lease.applied(8);
    lease.sent('a', clock(0));
    lease.end();
    expect(lease.answered(a, clock(1))).toBe(false);
    lease.sent('a', clock(2));
    expect(lease.answered(ahead, clock(3))).toBe(true);
    expect(lease.isFresh(clock(3))).toBe(false);
    lease.applied(8);
    expect(lease.isFresh(clock(3))).toBe(true);
  });

  test('keeps a bounded number of nonces', () => {
    const lease = new Lease(5_000);
    lease.sent('a', clock(0));
    for (let i = 0; i < 64; i++) lease.sent(`later ${i}`, clock(1));
    expect(lease.answered(a, clock(2))).toBe(false);
  });
});

test('under adversarial clocks a lease is never fresh when either clock says that it expired', async () => {
  const nonces = ['0', '1', '2', '3', '4'];
  const answers = new Map(await Promise.all(nonces.map(async (n) => [n, await answer(n)] as const)));
  const events = fc.array(
    fc.record({
      // The wall clock jumps both ways, the monotonic one may stand still.
      wall: fc.oneof(
        { weight: 8, arbitrary: fc.nat(900) },
        { weight: 1, arbitrary: fc.integer({ min: -3_000, max: 8_000 }) },
      ),
      monotonic: fc.oneof(fc.nat(900), fc.constant(0)),
      type: fc.constantFrom('send', 'answer', 'ask'),
      nonce: fc.constantFrom(...nonces),
    }),
    { maxLength: 60 },
  );
  let timesFresh = 0;
  fc.assert(
    fc.property(events, (script) => {
      const leaseMs = 2_000;
      const lease = new Lease(leaseMs);
      let now: ClockReading = { nowMs: 100_000, monotonicMs: 0 };
      const sentAt = new Map<string, ClockReading>();
      // The freshness the model allows: answered nonces since the last time a clock ran backwards.
      let answered: ClockReading[] = [];
      for (const { wall, monotonic, type, nonce } of script) {
        now = { nowMs: now.nowMs + wall, monotonicMs: now.monotonicMs + monotonic };
        if (wall < 0) {
          sentAt.clear();
          answered = [];
        }
        if (type === 'send') {
          lease.sent(nonce, now);
          sentAt.set(nonce, now);
        } else if (type === 'answer') {
          lease.answered(answers.get(nonce) as VerifiedHead, now);
          const sent = sentAt.get(nonce);
          if (sent !== undefined) answered.push(sent);
          sentAt.delete(nonce);
        }
        const within = ({ nowMs, monotonicMs }: ClockReading) =>
          now.nowMs - nowMs < leaseMs && now.monotonicMs - monotonicMs < leaseMs;
        const fresh = lease.isFresh(now);
        if (fresh) {
          timesFresh++;
          expect(answered.some(within)).toBe(true);
        }
      }
    }),
    { numRuns: 1_000 },
  );
  // The property would be empty if no script ever made the lease fresh.
  expect(timesFresh).toBeGreaterThan(100);
});
