import { Refusal } from '@mono-auth/core/errors';
import { newId } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { FeedStore, StoredFeed } from './feed-store.ts';
import { FeedSubscriber, type FeedSubscriberOptions } from './feed-subscriber.ts';
import { FakeIssuer, makeKey } from './testing/fake-issuer.ts';

let issuer: FakeIssuer;
let open: FeedSubscriber[] = [];
let errors: Refusal[] = [];

beforeEach(async () => {
  issuer = await FakeIssuer.start();
});
afterEach(async () => {
  await Promise.all(open.map((subscriber) => subscriber.close()));
  [open, errors] = [[], []];
  await issuer.stop();
});

async function follow(options: Partial<FeedSubscriberOptions> = {}): Promise<FeedSubscriber> {
  const base = { issuer: issuer.url, tokens: async () => 'token', name: 'orders-1', leaseMs: 1_000 };
  const onError = (refusal: Refusal) => errors.push(refusal);
  const subscriber = await FeedSubscriber.start({ ...base, onError, ...options });
  open.push(subscriber);
  return subscriber;
}

function revoke(jti: string): number {
  const target = { kind: 'token', jti } as const;
  return issuer.feed.append('revocation', { v: 1, id: newId(systemRuntime, 'rev'), target, reason: 'test' });
}

const isRevoked = (subscriber: FeedSubscriber, jti: string) =>
  subscriber.state.isRevoked({ jti, sub: 'user:x', ep: 0, fs: 99 }).revoked;
const details = () => errors.map(({ detail }) => detail).join('\n');
const eventually = (check: () => void) => vi.waitFor(check, { timeout: 5_000, interval: 10 });

test('a first start takes the snapshot and follows from there; what it had taken away is refused', async () => {
  for (let i = 1; i <= 3; i++) revoke(`tok_${i}`);
  const subscriber = await follow();
  expect(subscriber.isFresh()).toBe(false);
  await subscriber.whenFresh(5_000);
  expect([subscriber.status, subscriber.state.seq]).toEqual(['live', 3]);
  await eventually(() => expect(issuer.feed.begunAt).toEqual([3]));
  revoke('tok_4');
  await eventually(() => expect(subscriber.state.seq).toBe(4));
  expect(['tok_1', 'tok_3', 'tok_4', 'tok_5'].map((jti) => isRevoked(subscriber, jti))).toEqual([
    true,
    true,
    true,
    false,
  ]);
  expect(issuer.feed.acknowledged[0]).toBe(3);
});

test.each<[string, () => Promise<void> | void]>([
  [
    'from which a revocation was left out',
    () => {
      issuer.feed.faults.tamper = (bytes) => {
        const text = new TextDecoder().decode(bytes);
        const cuts = JSON.parse(text).cuts.slice(1);
        return new TextEncoder().encode(JSON.stringify({ ...JSON.parse(text), cuts }));
      };
    },
  ],
  [
    'that was cut short',
    () => {
      issuer.feed.faults.tamper = (bytes) => bytes.slice(0, -1);
    },
  ],
  [
    'of another key',
    async () => {
      issuer.feed.faults.forged = (await makeKey('key_feed')).signer;
    },
  ],
])('a snapshot %s is not taken, and nothing is trusted until a true one comes', async (_, spoil) => {
  revoke('tok_1');
  await spoil();
  const subscriber = await follow();
  await eventually(() => expect(errors.map(({ reason }) => reason)).toContain('verification_failed'));
  expect([subscriber.status, subscriber.state.seq, subscriber.isFresh()]).toEqual(['snapshot', 0, false]);
  issuer.feed.faults.tamper = undefined;
  issuer.feed.faults.forged = undefined;
  await subscriber.whenFresh(5_000);
  expect(isRevoked(subscriber, 'tok_1')).toBe(true);
});

test('after a reset, an old snapshot played back is refused: what was proven once is not given up', async () => {
  const subscriber = await follow();
  for (let i = 1; i <= 3; i++) revoke(`tok_${i}`);
  await eventually(() => expect(subscriber.state.seq).toBe(3));
  issuer.feed.faults.oldSnapshotSeq = 2;
  issuer.feed.faults.dropSeq = 4;
  revoke('tok_4');
  await eventually(() => expect(details()).toContain('gone back behind what was proven'));
  await subscriber.whenFresh(5_000);
  expect(issuer.feed.snapshotsAfter).toEqual([undefined, 3, 3]);
  expect(isRevoked(subscriber, 'tok_3')).toBe(true);
});

test('a database that went back leaves its consumers closed until a new incarnation', async () => {
  const subscriber = await follow();
  for (let i = 1; i <= 3; i++) revoke(`tok_${i}`);
  await eventually(() => expect(subscriber.state.seq).toBe(3));
  issuer.feed.rollBack(1);
  issuer.feed.disconnect();
  await eventually(() => expect(details()).toContain('gone back behind what was proven'));
  expect([subscriber.status, subscriber.isFresh()]).toEqual(['resync', false]);
  issuer.feed.begin(2);
  await subscriber.whenFresh(10_000);
  expect(subscriber.cursor).toMatchObject({ incarnation: 2, seq: 1 });
});

function memory(): FeedStore & { kept?: StoredFeed } {
  const store: FeedStore & { kept?: StoredFeed } = {
    load: async () => store.kept,
    save: async (stored) => {
      store.kept = stored;
    },
  };
  return store;
}

test('one that comes back too far behind takes the snapshot instead of the replay, and misses nothing', async () => {
  const store = memory();
  const first = await follow({ store });
  await first.whenFresh(5_000);
  revoke('tok_1');
  await eventually(() => expect(store.kept?.seq).toBe(1));
  await first.close();
  for (let i = 2; i <= 9; i++) revoke(`tok_${i}`);
  issuer.feed.faults.behindEntriesMax = 5;
  const second = await follow({ store });
  await second.whenFresh(5_000);
  await eventually(() => expect(issuer.feed.begunAt).toEqual([0, 1, 9]));
  expect(issuer.feed.snapshotsAfter).toEqual([undefined, 1]);
  expect(['tok_1', 'tok_9'].map((jti) => isRevoked(second, jti))).toEqual([true, true]);
  await eventually(() => expect(store.kept?.seq).toBe(9));
});

test('a restart remembers how far it had come: the cursor it kept is the proof that the database went back', async () => {
  const store = memory();
  const first = await follow({ store });
  for (let i = 1; i <= 3; i++) revoke(`tok_${i}`);
  await eventually(() => expect(store.kept?.seq).toBe(3));
  await first.close();
  issuer.feed.rollBack(1);
  const second = await follow({ store });
  await eventually(() => expect(details()).toContain('gone back behind what was proven'));
  expect(second.isFresh()).toBe(false);
  expect(issuer.feed.snapshotsAfter).toEqual(expect.arrayContaining([3]));
});

test.each([
  new Refusal('unimplemented', 'an older server'),
  new Refusal('too_large', 'a state too large for a snapshot'),
])('without a snapshot (%s) the feed is replayed from its first entry', async (noSnapshot) => {
  issuer.feed.faults.noSnapshot = noSnapshot;
  for (let i = 1; i <= 3; i++) revoke(`tok_${i}`);
  const subscriber = await follow();
  await subscriber.whenFresh(5_000);
  await eventually(() => expect(issuer.feed.begunAt).toEqual([undefined]));
  expect(isRevoked(subscriber, 'tok_3')).toBe(true);
});
