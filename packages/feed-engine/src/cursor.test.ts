import { hex, utf8 } from '@mono-auth/core/encoding';
import type { TenantId } from '@mono-auth/core/ids';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { entryHash, type FeedEntry, genesisHash } from './chain.ts';
import * as cursors from './cursor.ts';
import { type VerifiedHead, verifyHead } from './head.ts';

const tenantId = 'ten_01arz3ndektsv4rrffq69g5fav' as TenantId;
const otherTenantId = 'ten_01arz3ndektsv4rrffq69g5faw' as TenantId;

interface Feed {
  readonly entries: FeedEntry[];
  /** hashes[n] is the chain's value after entry n. */
  readonly hashes: Uint8Array[];
}

function feedOf(length: number, incarnation = 1): Feed {
  const entries = Array.from({ length }, (_, i) => ({
    seq: i + 1,
    kind: ['revocation', 'epoch', 'of-a-later-version'][i % 3] as string,
    payload: utf8(`payload ${i}`),
    createdAtMs: 1_000 + i,
  }));
  const hashes: Uint8Array[] = [genesisHash(tenantId, incarnation)];
  for (const entry of entries) hashes.push(entryHash(hashes.at(-1) as Uint8Array, entry));
  return { entries, hashes };
}

/** Signature checks are tested beside `verifyHead`; here every head counts as signed. */
function headOf(feed: Feed, seq: number, change: Partial<VerifiedHead> = {}): Promise<VerifiedHead> {
  const headHash = feed.hashes[seq] as Uint8Array;
  const statement = { tenantId, incarnation: 1, seq, headHash, issuedAtMs: 5_000, ...change };
  return verifyHead(statement, new Uint8Array(), () => true);
}

const feed = feedOf(20);
const heads = await Promise.all(feed.hashes.map((_, seq) => headOf(feed, seq)));
const headAt = (seq: number) => heads[seq] as VerifiedHead;
const start = cursors.startCursor(tenantId, 1);
const at = (seq: number) =>
  cursors.resumeCursor(tenantId, { incarnation: 1, seq, hash: feed.hashes[seq] as Uint8Array });
const reasonOf = ({ cursor }: cursors.FeedStep) => (cursor.status === 'resync' ? cursor.reason : cursor.status);

describe('the stream', () => {
  test('any cutting of the feed into batches is proven to the same position, in order', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20), { maxLength: 6 }), (cuts) => {
        const ends = [...cuts, 20].sort((a, b) => a - b);
        const applied: number[] = [];
        let cursor = start;
        let from = 0;
        for (const to of ends) {
          const step = cursors.applyBatch(cursor, { entries: feed.entries.slice(from, to), head: headAt(to) });
          for (const effect of step.effects)
            if (effect.type === 'apply') applied.push(...effect.entries.map((e) => e.seq));
          cursor = step.cursor;
          from = to;
        }
        expect(cursor).toEqual(at(20));
        expect(applied).toEqual(feed.entries.map(({ seq }) => seq));
      }),
    );
  });

  test('a batch is applied, then acknowledged with its position and hash', () => {
    const { effects } = cursors.applyBatch(start, { entries: feed.entries.slice(0, 2), head: headAt(2) });
    expect(effects).toEqual([
      { type: 'apply', entries: feed.entries.slice(0, 2) },
      { type: 'ack', position: { incarnation: 1, seq: 2, hash: feed.hashes[2] } },
    ]);
  });

  test('a head alone changes nothing', () => {
    expect(cursors.applyBatch(at(4), { entries: [], head: headAt(4) })).toEqual({ cursor: at(4), effects: [] });
  });

  test('any entry dropped, doubled, exchanged or altered is detected, and nothing of the batch is taken', () => {
    const faults = fc.record({
      from: fc.nat(10),
      length: fc.integer({ min: 1, max: 10 }),
      place: fc.nat(),
      other: fc.nat(),
      fault: fc.constantFrom('drop', 'double', 'swap', 'seq', 'kind', 'payload', 'time'),
    });
    fc.assert(
      fc.property(faults, ({ from, length, place, other, fault }) => {
        const batch = feed.entries.slice(from, from + length);
        const [i, j] = [place % length, other % length];
        const entry = batch[i] as FeedEntry;
        const altered: Record<string, FeedEntry[]> = {
          drop: batch.toSpliced(i, 1),
          double: batch.toSpliced(j, 0, entry),
          swap: batch.with(i, batch[j] as FeedEntry).with(j, entry),
          seq: batch.with(i, { ...entry, seq: entry.seq + 1 }),
          kind: batch.with(i, { ...entry, kind: `${entry.kind}!` }),
          payload: batch.with(i, { ...entry, payload: utf8(`${hex(entry.payload)}!`) }),
          time: batch.with(i, { ...entry, createdAtMs: entry.createdAtMs + 1 }),
        };
        if (fault === 'swap' && i === j) return;
        const step = cursors.applyBatch(at(from), {
          entries: altered[fault] as FeedEntry[],
          head: headAt(from + length),
        });
        expect(step.cursor.status).toBe('resync');
        expect(step.effects.map(({ type }) => type)).toEqual(['reset']);
      }),
      { numRuns: 1_000 },
    );
  });

  test('a whole batch lost, repeated or delivered early is detected', () => {
    const batch = (from: number, to: number) => ({ entries: feed.entries.slice(from, to), head: headAt(to) });
    expect(reasonOf(cursors.applyBatch(at(2), batch(4, 6)))).toBe('gap');
    expect(reasonOf(cursors.applyBatch(at(6), batch(4, 6)))).toBe('gap');
    expect(reasonOf(cursors.applyBatch(at(2), { entries: [], head: headAt(3) }))).toBe('gap');
    expect(reasonOf(cursors.applyBatch(at(3), { entries: [], head: headAt(2) }))).toBe('rolled_back');
  });

  test('a head of another tenant, another incarnation or other entries is detected', async () => {
    const step = async (change: Partial<VerifiedHead>) =>
      reasonOf(cursors.applyBatch(at(4), { entries: [], head: await headOf(feed, 4, change) }));
    expect(await step({ tenantId: otherTenantId })).toBe('foreign_head');
    expect(await step({ incarnation: 2 })).toBe('new_incarnation');
    expect(await step({ headHash: new Uint8Array(32) })).toBe('mismatch');
  });

  test('entries from outside that cannot be hashed are refused, not thrown about', () => {
    for (const change of [
      { createdAtMs: -1 },
      { createdAtMs: Number.NaN },
      { kind: '' },
      { payload: new Uint8Array(4_097) },
    ]) {
      const entries = [{ ...(feed.entries[0] as FeedEntry), ...change }];
      expect(reasonOf(cursors.applyBatch(start, { entries, head: headAt(1) }))).toBe('mismatch');
    }
    const entries = [{ ...(feed.entries[0] as FeedEntry), seq: Number.NaN }];
    expect(reasonOf(cursors.applyBatch(start, { entries, head: headAt(1) }))).toBe('gap');
  });

  test('after a fault nothing is taken until the consumer starts anew', () => {
    const broken = cursors.applyBatch(start, { entries: [], head: headAt(3) }).cursor;
    const batch = { entries: feed.entries.slice(0, 3), head: headAt(3) };
    expect(cursors.applyBatch(broken, batch)).toEqual({ cursor: broken, effects: [] });
    expect(cursors.applyBatch(cursors.startCursor(tenantId, 1), batch).cursor).toEqual(at(3));
  });
});

describe('answers beside the stream', () => {
  const acknowledged = (seq: number) => ({ incarnation: 1, seq, hash: feed.hashes[seq] as Uint8Array });

  test('an answer may be ahead of the cursor, or behind it by what came since', () => {
    expect(reasonOf(cursors.checkAnswer(at(4), headAt(9), acknowledged(4)))).toBe('live');
    expect(reasonOf(cursors.checkAnswer(at(9), headAt(6), acknowledged(4)))).toBe('live');
  });

  test('an answer from behind what was acknowledged shows a rolled-back database', () => {
    expect(reasonOf(cursors.checkAnswer(at(4), headAt(3), acknowledged(4)))).toBe('rolled_back');
  });

  test('an answer with other entries, another tenant or incarnation is detected', async () => {
    const forked = await headOf(feed, 4, { headHash: new Uint8Array(32) });
    expect(reasonOf(cursors.checkAnswer(at(4), forked, acknowledged(4)))).toBe('mismatch');
    expect(reasonOf(cursors.checkAnswer(at(6), forked, acknowledged(4)))).toBe('mismatch');
    const reborn = await headOf(feed, 4, { incarnation: 2 });
    expect(reasonOf(cursors.checkAnswer(at(4), reborn, acknowledged(4)))).toBe('new_incarnation');
    const foreign = await headOf(feed, 4, { tenantId: otherTenantId });
    expect(reasonOf(cursors.checkAnswer(at(4), foreign, acknowledged(4)))).toBe('foreign_head');
  });
});
