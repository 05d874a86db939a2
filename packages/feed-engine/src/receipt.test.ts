import type { SubscriberId } from '@mono-auth/core/ids';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { checkAcknowledgement, receiptFor, type SubscriberView } from './receipt.ts';

const view = (name: string, change: Partial<SubscriberView> = {}): SubscriberView => ({
  id: `sub_${name}` as SubscriberId,
  name,
  leaseMs: 5_000,
  acks: [],
  answeredAtMs: 10_000,
  registeredAtMs: 1_000,
  ...change,
});

test('a receipt names each enforcement point with its state and time', () => {
  const subscribers = [
    view('applied', {
      acks: [
        { seq: 6, atMs: 10_100 },
        { seq: 7, atMs: 10_200 },
        { seq: 9, atMs: 10_900 },
      ],
    }),
    view('fenced', { acks: [{ seq: 6, atMs: 4_000 }], answeredAtMs: 4_000 }),
    view('waiting'),
  ];
  expect(receiptFor(7, subscribers, 11_000)).toEqual({
    enforced: 2,
    of: 3,
    points: [
      { subscriber: 'sub_applied', name: 'applied', state: 'applied', atMs: 10_200 },
      { subscriber: 'sub_fenced', name: 'fenced', state: 'fenced', atMs: 4_000 + 5_050 + 250 },
      { subscriber: 'sub_waiting', name: 'waiting', state: 'waiting', untilMs: 10_000 + 5_050 + 250 },
    ],
  });
});

test('nobody is fenced before the lease, its drift and the margin have passed', () => {
  const stateAt = (nowMs: number) => receiptFor(7, [view('s')], nowMs).points[0]?.state;
  expect(stateAt(15_000)).toBe('waiting');
  expect(stateAt(15_299)).toBe('waiting');
  expect(stateAt(15_300)).toBe('fenced');
});

test('who was never answered holds no lease and is fenced from the start', () => {
  const { points } = receiptFor(7, [view('s', { answeredAtMs: undefined })], 1_000);
  expect(points).toEqual([{ subscriber: 'sub_s', name: 's', state: 'fenced', atMs: 1_000 }]);
});

test('nobody registered is nobody to enforce', () => {
  expect(receiptFor(7, [], 1_000)).toEqual({ enforced: 0, of: 0, points: [] });
});

test('a subscriber counted as fenced can hold no lease, however late its clock within the drift', () => {
  const cases = fc.record({
    leaseMs: fc.integer({ min: 1_000, max: 60_000 }),
    sentBeforeMs: fc.nat(2_000),
    slowness: fc.double({ min: 1, max: 1.01, noNaN: true }),
    afterMs: fc.nat(80_000),
  });
  fc.assert(
    fc.property(cases, ({ leaseMs, sentBeforeMs, slowness, afterMs }) => {
      const answeredAtMs = 100_000;
      const nowMs = answeredAtMs + afterMs;
      const [point] = receiptFor(1, [view('s', { leaseMs, answeredAtMs })], nowMs).points;
      // What the slowest clock that is allowed has counted since the nonce was sent.
      const elapsedThere = (sentBeforeMs + afterMs) / slowness;
      if (elapsedThere < leaseMs) expect(point?.state).toBe('waiting');
    }),
  );
});

test('an acknowledgement is believed only for what was sent, of this incarnation and with the same hash', () => {
  const hashAt = (seq: number) => new Uint8Array(32).fill(seq);
  const sent = { incarnation: 1, seq: 5 };
  const ack =
    (incarnation: number, seq: number, fill = seq) =>
    () =>
      checkAcknowledgement({ incarnation, seq, hash: new Uint8Array(32).fill(fill) }, sent, hashAt);
  expect(ack(1, 5)).not.toThrow();
  expect(ack(1, 0)).not.toThrow();
  expect(ack(1, 6)).toThrow('invalid_request');
  expect(ack(2, 5)).toThrow('reset_required');
  expect(ack(1, 5, 4)).toThrow('reset_required');
  expect(() => checkAcknowledgement({ incarnation: 1, seq: 5, hash: new Uint8Array() }, sent, hashAt)).toThrow(
    'reset_required',
  );
});
