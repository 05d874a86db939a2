import { fromBinary, fromJsonString } from '@bufbuild/protobuf';
import { textOf } from '@mono-auth/core/encoding';
import { newId, type SubscriberId, type TenantId, uuidOf } from '@mono-auth/core/ids';
import type { Call, Caller } from '@mono-auth/core/principal';
import { systemRuntime as runtime } from '@mono-auth/core/runtime';
import type { cursor } from '@mono-auth/feed-engine';
import { createLocalKms, type Keyring, openKeyring } from '@mono-auth/keys';
import { WatchResponseSchema } from '@mono-auth/proto/monoauth/feed/v1/feed';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { acknowledgeEntries } from './acknowledge-entries.ts';
import type { EncodedBatch } from './encoded-batch.ts';
import type { FeedConsumer } from './feed-consumer.ts';
import { Feed, type NewEntry } from './index.ts';
import { registerSubscriber } from './register-subscriber.ts';
import { watchFeed } from './watch-feed.ts';

let db: TestDatabase;
let keys: Keyring;
let feed: Feed;

beforeAll(async () => {
  db = await openTestDatabase();
  const platform = await db.createTenantRow('platform');
  keys = openKeyring({
    ...{ database: db.database, runtime, kms: createLocalKms(testKek) },
    platformIssuer: 'https://mono.test/t/platform',
    rootTenant: async () => platform,
  });
  const ephemeral = { publish: async () => {}, subscribe: async () => () => {} };
  feed = new Feed({ database: db.database, ephemeral, keys, runtime });
});
afterAll(() => db.close());

async function provision(slug: string): Promise<TenantId> {
  const tenant = await db.createTenantRow(slug);
  await db.database.forTenant(tenant, async (tx) => {
    await keys.provision(tx);
    await feed.provision(tx, 1);
  });
  return tenant;
}

const append = (tenant: TenantId, count: number) =>
  db.database.forTenant(tenant, (tx) => {
    const entries = Array.from({ length: count }, (): NewEntry => {
      const target = { kind: 'token', jti: newId(runtime, 'tok') } as const;
      return { kind: 'revocation', payload: { v: 1, id: newId(runtime, 'rev'), target, reason: 'test' } };
    });
    return feed.append(tx, entries);
  });

interface Stream {
  readonly batches: EncodedBatch[];
  readonly ended: Promise<void>;
  readonly subscriberId: SubscriberId;
  readonly call: Call;
  dropped: boolean;
  leave(): void;
}

/** Who comes again, and where it stands. */
interface Resumed {
  readonly call: Call;
  readonly from: cursor.FeedPosition;
}

/** A stream whose consumer says how much waits for it. */
async function follow(tenant: TenantId, name: string, bufferedBytes = () => 0, resumed?: Resumed): Promise<Stream> {
  const client = newId(runtime, 'cli');
  const caller = resumed?.call.caller ?? ({ principal: `service:${client}`, tenantId: tenant } as Caller);
  const call: Call = { runtime, caller };
  const { id } = await db.database.forTenant(tenant, (tx) =>
    registerSubscriber(tx, call, { name, leaseMs: 0 }, async () => {}),
  );
  const left = new AbortController();
  const batches: EncodedBatch[] = [];
  const consumer: FeedConsumer = {
    get bufferedBytes() {
      return bufferedBytes();
    },
    deliver: (batch) => void batches.push(batch),
    drained: () => new Promise(() => {}),
    drop: () => {
      stream.dropped = true;
    },
  };
  const exp = Math.floor(runtime.nowMs() / 1000) + 300;
  const claims = { jti: newId(runtime, 'tok'), sub: caller.principal, exp, client_id: client, ep: 1, fs: 0 };
  const input = { subscriberId: id, cursor: resumed?.from, claims, signal: left.signal };
  const deps = { database: db.database, feed, signer: () => keys.signer(tenant, 'feed') };
  const ended = watchFeed(deps, call, input, consumer);
  const stream: Stream = { batches, ended, subscriberId: id, call, dropped: false, leave: () => left.abort() };
  return stream;
}

const seqOf = ({ batches }: Stream) => batches.at(-1)?.head.seq;

async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 300 && !holds(); i++) await runtime.sleep(10);
  expect(holds()).toBe(true);
}

test('every live stream is written the very same bytes, in each framing', async () => {
  const tenant = await provision('same');
  const streams = await Promise.all(['one', 'two', 'three'].map((name) => follow(tenant, name)));
  await until(() => streams.every(({ batches }) => batches.length > 0));
  await append(tenant, 3);
  await until(() => streams.every((stream) => seqOf(stream) === 3));
  const [first, ...others] = streams.map(({ batches }) => batches.find(({ entries }) => entries.length === 3));
  if (!first) throw new Error('no batch of three');
  for (const framing of ['proto', 'json', 'sse'] as const) {
    for (const other of others) expect(other?.frame(framing)).toBe(first.frame(framing));
  }
  const message = fromBinary(WatchResponseSchema, first.frame('proto').subarray(5));
  expect(message.entries.map(({ seq }) => seq)).toEqual([1n, 2n, 3n]);
  expect(fromJsonString(WatchResponseSchema, textOf(first.frame('json').subarray(5)))).toEqual(message);
  const data = /^data: (.*)$/m.exec(textOf(first.frame('sse')))?.[1] ?? '';
  expect(fromJsonString(WatchResponseSchema, data)).toEqual(message);
  for (const stream of streams) stream.leave();
  await Promise.all(streams.map(({ ended }) => ended));
});

test('a burst is few writes, and an acknowledgement of any of it is believed', async () => {
  const tenant = await provision('burst');
  const stream = await follow(tenant, 'one');
  await until(() => stream.batches.length > 0);
  await Promise.all(Array.from({ length: 40 }, () => append(tenant, 1)));
  await until(() => seqOf(stream) === 40);
  expect(stream.batches.filter(({ entries }) => entries.length > 0).length).toBeLessThan(30);
  const rows = await db.database.forTenant(tenant, (tx) => feed.subscribers(tx));
  expect(rows.find(({ id }) => id === stream.subscriberId)?.sent).toEqual({ incarnation: 1, seq: 40 });
  stream.leave();
  await stream.ended;
});

test('a note of what was sent that a crash took back refuses the acknowledgement, until the next stream makes up for it', async () => {
  const tenant = await provision('crash');
  const stream = await follow(tenant, 'one');
  await until(() => stream.batches.length > 0);
  await append(tenant, 2);
  await until(() => seqOf(stream) === 2);
  const reached = stream.batches.at(-1)?.head;
  if (!reached) throw new Error('no head');
  const applied = { incarnation: reached.incarnation, seq: reached.seq, hash: reached.headHash };
  const acknowledge = (nonce = '') =>
    db.database.forTenant(tenant, (tx) =>
      acknowledgeEntries(tx, stream.call, { subscriberId: stream.subscriberId, applied, nonce }),
    );
  await db.admin('update mono.feed_subscribers set sent_seq = 0 where tenant_id = $1', [uuidOf(tenant)]);

  await expect(acknowledge('n-1')).rejects.toMatchObject({ reason: 'invalid_request' });
  const [row] = await db.database.forTenant(tenant, (tx) => feed.subscribers(tx));
  expect(row).toMatchObject({ applied: { seq: 0 }, lastHeadAtMs: undefined });

  stream.leave();
  await stream.ended;
  const next = await follow(tenant, 'one', undefined, { call: stream.call, from: applied });
  expect(next.subscriberId).toBe(stream.subscriberId);
  await until(() => next.batches.length > 0);
  expect(await acknowledge()).toMatchObject({ advanced: true });
  next.leave();
  await next.ended;
});

test('an append is answered after the streams of its process were told, and all the same when they cannot be', async () => {
  const tenant = await provision('told');
  const stream = await follow(tenant, 'one');
  await until(() => stream.batches.length > 0);
  for (let seq = 1; seq <= 5; seq++) {
    await append(tenant, 1);
    expect(seqOf(stream)).toBe(seq);
  }
  await db.admin('update mono.feed_heads set incarnation = 2 where tenant_id = $1', [uuidOf(tenant)]);
  expect(await append(tenant, 1)).toBe(6);
  await expect(stream.ended).rejects.toMatchObject({ reason: 'reset_required' });
  expect(await append(tenant, 1)).toBe(7);
});

test('a stream that is not read is dropped, and the others do not notice', async () => {
  const tenant = await provision('slow');
  let waiting = 0;
  const slow = await follow(tenant, 'slow', () => waiting);
  const quick = await follow(tenant, 'quick');
  await until(() => slow.batches.length > 0 && quick.batches.length > 0);
  waiting = 10 * 1024 * 1024;
  const before = slow.batches.length;
  await append(tenant, 2);
  await expect(slow.ended).rejects.toMatchObject({ reason: 'unavailable' });
  expect([slow.dropped, slow.batches.length]).toEqual([true, before]);
  await until(() => seqOf(quick) === 2);
  quick.leave();
  await quick.ended;
});

test('a process that stops ends its streams so that they resume elsewhere, and takes no new one', async () => {
  const tenant = await provision('stopping');
  const stream = await follow(tenant, 'one');
  await until(() => stream.batches.length > 0);
  feed.endStreams();
  await expect(stream.ended).rejects.toMatchObject({ reason: 'unavailable', row: { retry: true } });
  const late = await follow(tenant, 'two');
  await expect(late.ended).rejects.toMatchObject({ reason: 'unavailable' });
});
