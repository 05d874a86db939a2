import type { TenantId } from '@mono-auth/core/ids';
import { describe, expect, test } from 'vitest';
import { entryHash, type FeedEntry, genesisHash } from './chain.ts';
import { type VerifiedHead, verifyHead } from './head.ts';
import { LocalFeed } from './local-feed.ts';
import { encodePayload } from './payload.ts';
import { RevocationState } from './revocation-state.ts';
import { encodeSnapshot, type VerifiedSnapshot, verifySnapshot } from './signed-snapshot.ts';

const tenantId = 'ten_01arz3ndektsv4rrffq69g5fav' as TenantId;
const otherTenantId = 'ten_01arz3ndektsv4rrffq69g5faw' as TenantId;
const clock = (ms: number) => ({ nowMs: 50_000 + ms, monotonicMs: ms });

/** Some history; `salt` makes another one of the same length. */
function historyOf(length: number, incarnation = 1, salt = 0) {
  const entries = Array.from({ length }, (_, i): FeedEntry => {
    const payload = encodePayload('epoch', { v: 1, epoch: i + 1 });
    return { seq: i + 1, kind: 'epoch', payload, createdAtMs: 1_000 + salt };
  });
  const positionAt = (seq: number) => {
    const hash = entries.slice(0, seq).reduce(entryHash, genesisHash(tenantId, incarnation));
    return { incarnation, seq, hash };
  };
  const signedBy = () => true;
  return {
    entries,
    positionAt,
    head: (seq: number, change: Partial<VerifiedHead> = {}): Promise<VerifiedHead> => {
      const { hash: headHash } = positionAt(seq);
      const statement = { tenantId, incarnation, seq, headHash, issuedAtMs: 0, ...change };
      return verifyHead(statement, new Uint8Array(), signedBy);
    },
    snapshot: async (seq: number, owner = tenantId): Promise<VerifiedSnapshot> => {
      const state = new RevocationState();
      for (const entry of entries.slice(0, seq)) state.apply(entry);
      const { bytes, hash: snapshotHash } = encodeSnapshot(state);
      const statement = { tenantId: owner, position: positionAt(seq), snapshotHash };
      return verifySnapshot(statement, bytes, new Uint8Array(), signedBy);
    },
  };
}

const history = historyOf(5);
const head5 = await history.head(5);
const later = await history.snapshot(5);
const open = () => new LocalFeed({ tenantId, leaseMs: 1_000 });

async function openAt(seq: number): Promise<LocalFeed> {
  const feed = open();
  feed.takeSnapshot(await history.snapshot(seq));
  return feed;
}

describe('the four states', () => {
  test('snapshot until something is taken, stale until a nonce is answered, live for a lease, then stale', async () => {
    const feed = open();
    expect([feed.status(clock(0)), feed.acknowledge('n', clock(0))]).toEqual(['snapshot', undefined]);
    feed.takeSnapshot(await history.snapshot(3));
    expect([feed.status(clock(10)), feed.state.seq, feed.position]).toEqual(['stale', 3, history.positionAt(3)]);
    const told = feed.acknowledge('n-1', clock(10));
    expect(told?.position).toEqual(history.positionAt(3));
    feed.answered(await history.head(3, { nonce: 'n-1' }), told ?? expect.fail('nothing held'), clock(500));
    expect([feed.status(clock(1_009)), feed.isFresh(clock(1_009))]).toEqual(['live', true]);
    expect([feed.status(clock(1_010)), feed.isFresh(clock(1_010))]).toEqual(['stale', false]);
  });

  test('a lease waits for what the answering head speaks of', async () => {
    const feed = await openAt(3);
    const told = feed.acknowledge('n-1', clock(0)) ?? expect.fail('nothing held');
    feed.answered(await history.head(5, { nonce: 'n-1' }), told, clock(1));
    expect(feed.status(clock(2))).toBe('stale');
    feed.take(history.entries.slice(3), await history.head(5));
    expect(feed.status(clock(3))).toBe('live');
  });

  test('resync once anything is not proven; then a snapshot, or a replay from the first entry, makes it stale', async () => {
    for (const again of ['snapshot', 'replay']) {
      const feed = await openAt(3);
      expect(() => feed.take(history.entries.slice(4), head5)).toThrow('feed: gap');
      expect([feed.status(clock(0)), feed.state.seq, feed.proven]).toEqual(['resync', 0, history.positionAt(3)]);
      if (again === 'snapshot') feed.takeSnapshot(await history.snapshot(5));
      else feed.take(history.entries, head5);
      expect([feed.status(clock(0)), feed.state.seq, feed.position]).toEqual(['stale', 5, history.positionAt(5)]);
      expect(feed.state.epoch).toBe(5);
    }
  });

  test('taking a snapshot ends a lease: what answered an earlier life says nothing of this one', async () => {
    const feed = await openAt(3);
    const told = feed.acknowledge('n-1', clock(0)) ?? expect.fail('nothing held');
    feed.takeSnapshot(await history.snapshot(5));
    feed.answered(await history.head(3, { nonce: 'n-1' }), told, clock(1));
    expect([feed.status(clock(2)), feed.position]).toEqual(['stale', history.positionAt(5)]);
  });
});

describe('what was proven is not given up', () => {
  const rewritten = historyOf(6, 1, 1);

  test.each([
    ['behind it', () => history.snapshot(2)],
    ['of another history, at the same place', () => rewritten.snapshot(3)],
    ['of an earlier incarnation', () => historyOf(9, 0).snapshot(9)],
    ['of another tenant', () => history.snapshot(5, otherTenantId)],
  ])('a snapshot %s is refused, before a reset and after it, and changes nothing', async (_, make) => {
    const feed = await openAt(3);
    const snapshot = await make();
    expect(() => feed.takeSnapshot(snapshot)).toThrow('verification_failed');
    expect([feed.status(clock(0)), feed.position]).toEqual(['stale', history.positionAt(3)]);
    feed.reset();
    expect(() => feed.takeSnapshot(snapshot)).toThrow('verification_failed');
    expect([feed.status(clock(0)), feed.proven]).toEqual(['resync', history.positionAt(3)]);
  });

  test('a replay that comes by it with another hash is refused as rolled back', async () => {
    const feed = await openAt(3);
    feed.reset();
    feed.take(rewritten.entries.slice(0, 2), await rewritten.head(2));
    expect(feed.proven).toEqual(history.positionAt(3));
    const head = await rewritten.head(6);
    expect(() => feed.take(rewritten.entries.slice(2), head)).toThrow('feed: rolled_back');
    expect([feed.status(clock(0)), feed.proven]).toEqual(['resync', history.positionAt(3)]);
  });

  test('an answer from behind it ends a replay: the database went back', async () => {
    const feed = await openAt(3);
    feed.reset();
    feed.take(history.entries.slice(0, 2), await history.head(2));
    const told = feed.acknowledge('n-1', clock(0)) ?? expect.fail('nothing held');
    const answer = await history.head(2, { nonce: 'n-1' });
    expect(() => feed.answered(answer, told, clock(1))).toThrow('feed: rolled_back');
  });

  test('a new incarnation begins anew, and nothing of the earlier one counts any more', async () => {
    const feed = await openAt(3);
    const next = historyOf(2, 2);
    const [head, old] = [await next.head(2), await history.head(5)];
    expect(() => feed.take([], head)).toThrow('feed: new_incarnation');
    expect(() => feed.take(history.entries, old)).toThrow('of an earlier incarnation');
    expect(() => feed.takeSnapshot(later)).toThrow('of an earlier incarnation');
    feed.takeSnapshot(await next.snapshot(2));
    expect([feed.status(clock(0)), feed.proven]).toEqual(['stale', next.positionAt(2)]);
    const told = feed.acknowledge('n-1', clock(0)) ?? expect.fail('nothing held');
    const answer = await history.head(5, { nonce: 'n-1' });
    expect(() => feed.answered(answer, told, clock(1))).toThrow('of an earlier incarnation');
  });
});

test('an entry that is not understood leaves nothing behind but how far it had come', async () => {
  const entry: FeedEntry = { seq: 4, kind: 'epoch', payload: new Uint8Array(1), createdAtMs: 0 };
  const before = history.positionAt(3);
  const feed = await openAt(3);
  const head = await history.head(4, { headHash: entryHash(before.hash, entry) });
  expect(() => feed.take([entry], head)).toThrow('an entry is not understood');
  expect([feed.status(clock(0)), feed.state.seq, feed.proven]).toEqual(['resync', 0, before]);
});
