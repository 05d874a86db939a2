import { createPublicKey, verify } from 'node:crypto';
import { concatBytes, fromBase64url, textOf } from '@mono-auth/core/encoding';
import { newId, type SubscriberId, type TenantId, uuidOf } from '@mono-auth/core/ids';
import type { Call, Caller } from '@mono-auth/core/principal';
import { systemRuntime as runtime } from '@mono-auth/core/runtime';
import { chain, type cursor, head, payload, RevocationState, snapshot } from '@mono-auth/feed-engine';
import { createLocalKms, type Keyring, openKeyring } from '@mono-auth/keys';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { acknowledgeEntries } from './acknowledge-entries.ts';
import type { EncodedBatch } from './encoded-batch.ts';
import type { FeedConsumer } from './feed-consumer.ts';
import { toSnapshotMessages } from './feed-messages.ts';
import { Feed, type NewEntry } from './index.ts';
import { registerSubscriber } from './register-subscriber.ts';
import { signSnapshot } from './signed-head.ts';
import { takeSnapshot } from './take-snapshot.ts';
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
  feed = openFeed();
});
afterAll(() => db.close());

/** A process of its own: nothing held from before. */
const openFeed = (Kind = Feed) => {
  const ephemeral = { publish: async () => {}, subscribe: async () => () => {} };
  return new Kind({ database: db.database, ephemeral, keys, runtime });
};

interface Subscriber {
  readonly tenant: TenantId;
  readonly call: Call;
  readonly id: SubscriberId;
}

async function subscribe(tenant: TenantId): Promise<Subscriber> {
  const caller = { principal: `service:${newId(runtime, 'cli')}`, tenantId: tenant } as Caller;
  const call: Call = { runtime, caller };
  const { id } = await db.database.forTenant(tenant, (tx) =>
    registerSubscriber(tx, call, { name: 'one', leaseMs: 0 }, async () => {}),
  );
  return { tenant, call, id };
}

async function open(slug: string): Promise<Subscriber> {
  const tenant = await db.createTenantRow(slug);
  await db.database.forTenant(tenant, async (tx) => {
    await keys.provision(tx);
    await feed.provision(tx, 1);
  });
  return subscribe(tenant);
}

const revocationOf = (jti: string): NewEntry => {
  const target = { kind: 'token', jti } as const;
  return { kind: 'revocation', payload: { v: 1, id: newId(runtime, 'rev'), target, reason: 'test' } };
};
const revoke = ({ tenant }: Subscriber, ...jtis: string[]) =>
  db.database.forTenant(tenant, (tx) => feed.append(tx, jtis.map(revocationOf)));

/** Verifies with the feed key as its certificate names it. RFC 7518 §3.4: the signature is the two numbers side by side. */
async function feedKeyVerifier(tenant: TenantId): Promise<head.VerifySignature> {
  const [, body = ''] = (await keys.certificate(tenant, 'feed')).split('.');
  const { jwk } = JSON.parse(textOf(fromBase64url(body)));
  const key = createPublicKey({ key: jwk, format: 'jwk' });
  return (message, signature) => verify('sha256', message, { key, dsaEncoding: 'ieee-p1363' }, signature);
}

const take = ({ tenant, call, id }: Subscriber, proven?: cursor.FeedPosition, from = feed) =>
  db.database.forTenant(tenant, (tx) => takeSnapshot(tx, call, from, { subscriberId: id, proven }));

/** Entries put into the table at once: appending them would take minutes. */
async function fill({ tenant }: Subscriber, count: number): Promise<cursor.FeedPosition[]> {
  const positions: cursor.FeedPosition[] = [{ incarnation: 1, seq: 0, hash: chain.genesisHash(tenant, 1) }];
  const payloads: Buffer[] = [];
  for (let seq = 1; seq <= count; seq++) {
    const bytes = payload.encodePayload('revocation', revocationOf(`t-${seq}`).payload as payload.RevocationPayload);
    const entry = { seq, kind: 'revocation', payload: bytes, createdAtMs: 1 };
    const { hash } = positions.at(-1) as cursor.FeedPosition;
    positions.push({ incarnation: 1, seq, hash: chain.entryHash(hash, entry) });
    payloads.push(Buffer.from(bytes));
  }
  const hashes = positions.slice(1).map(({ hash }) => Buffer.from(hash));
  await db.admin(
    `insert into mono.feed_entries (tenant_id, seq, kind, payload, created_at_ms, hash)
     select $1, e.seq, 'revocation', e.payload, 1, e.hash
     from unnest($2::bytea[], $3::bytea[]) with ordinality as e (payload, hash, seq)`,
    [uuidOf(tenant), payloads, hashes],
  );
  await db.admin('update mono.feed_heads set seq = $2, hash = $3 where tenant_id = $1', [
    uuidOf(tenant),
    count,
    hashes.at(-1),
  ]);
  return positions;
}

/** Follows until the first batch. @returns its head's seq, or throws why the stream ended. */
async function firstBatch(
  { call, tenant, id }: Subscriber,
  from?: cursor.FeedPosition,
  followed = feed,
): Promise<number> {
  const leave = new AbortController();
  const batches: EncodedBatch[] = [];
  const consumer: FeedConsumer = {
    bufferedBytes: 0,
    deliver: (batch) => {
      batches.push(batch);
      leave.abort();
    },
    drained: async () => {},
    drop: () => {},
  };
  const exp = Math.floor(runtime.nowMs() / 1000) + 300;
  const claims = { jti: newId(runtime, 'tok'), sub: call.caller.principal, exp, client_id: '', ep: 1, fs: 0 };
  const input = { subscriberId: id, cursor: from, claims, signal: leave.signal };
  const deps = { database: db.database, feed: followed, signer: () => keys.signer(tenant, 'feed') };
  await watchFeed(deps, call, input, consumer);
  return batches[0]?.head.seq ?? -1;
}

describe('a snapshot', () => {
  test('is the state at its position, signed with it, in pieces that a consumer can verify as a whole', async () => {
    const subscriber = await open('signed');
    const { tenant } = subscriber;
    await revoke(subscriber, 'tok_1', 'tok_2');
    const taken = await take(subscriber);
    const signer = await keys.signer(tenant, 'feed');
    const messages = [...toSnapshotMessages(taken, await signSnapshot(signer, runtime, tenant, taken))];
    const [first] = messages;
    if (!first?.head) throw new Error('the first message has no head');
    const verifier = await feedKeyVerifier(tenant);
    const { issuedAtMs, signature, hash: headHash } = first.head;
    const statement = { tenantId: tenant, incarnation: 1, seq: 2, headHash, issuedAtMs: Number(issuedAtMs) };
    await head.verifyHead(statement, signature, verifier);
    expect(taken.position).toEqual({ incarnation: 1, seq: 2, hash: headHash });
    const bytes = concatBytes(...messages.map(({ piece }) => piece));
    const { position, hash: snapshotHash } = taken;
    const signed = { tenantId: tenant, position, snapshotHash };
    const opened = await snapshot.verifySnapshot(signed, bytes, first.snapshotSignature, verifier);
    expect(opened.state.isRevoked({ jti: 'tok_2', sub: 'user:x', ep: 1, fs: 9 })).toMatchObject({ seq: 2 });
    expect(opened.state.toSnapshot()).toEqual((await feed.state(tenant)).toSnapshot());
  });

  test('of an empty feed stands at its genesis', async () => {
    const subscriber = await open('empty');
    const { position } = await take(subscriber);
    expect(position).toEqual({ incarnation: 1, seq: 0, hash: chain.genesisHash(subscriber.tenant, 1) });
  });

  test('counts as sent, so that what it holds may be acknowledged before anything is watched', async () => {
    const subscriber = await open('sent');
    await revoke(subscriber, 'tok_1');
    const { position } = await take(subscriber);
    await revoke(subscriber, 'tok_2');
    const acknowledge = (applied: cursor.FeedPosition) =>
      db.database.forTenant(subscriber.tenant, (tx) =>
        acknowledgeEntries(tx, subscriber.call, { subscriberId: subscriber.id, applied, nonce: 'n' }),
      );
    await expect(acknowledge({ ...position, seq: 2 })).rejects.toMatchObject({ reason: 'invalid_request' });
    expect(await acknowledge(position)).toMatchObject({ advanced: true, head: { seq: 2 } });
    const [view] = await db.database.forTenant(subscriber.tenant, (tx) => feed.enforcementViews(tx, 1));
    expect(view?.acks).toMatchObject([{ seq: 1 }]);
  });

  test('is the same from every process, and encoded once while nothing changes', async () => {
    const subscriber = await open('once');
    await revoke(subscriber, 'tok_1');
    const [one, two] = [await take(subscriber), await take(subscriber)];
    expect(two.bytes).toBe(one.bytes);
    expect(await take(subscriber, undefined, openFeed())).toEqual(one);
    await revoke(subscriber, 'tok_2');
    expect((await take(subscriber)).position.seq).toBe(2);
  });

  test('is one position whatever is appended meanwhile', async () => {
    const subscriber = await open('meanwhile');
    const appending = Array.from({ length: 20 }, (_, i) => revoke(subscriber, `tok_${i}`));
    const taking = Array.from({ length: 20 }, () => take(subscriber));
    await Promise.all(appending);
    const rows = await db.admin<{ seq: string; hash: Buffer }>(
      'select seq, hash from mono.feed_entries where tenant_id = $1',
      [uuidOf(subscriber.tenant)],
    );
    for (const { position, bytes } of await Promise.all(taking)) {
      const { seq, cuts } = JSON.parse(new TextDecoder().decode(bytes));
      expect([seq, cuts.length]).toEqual([position.seq, position.seq]);
      const row = rows.find((entry) => Number(entry.seq) === seq);
      expect(Buffer.from(position.hash).equals(row?.hash ?? Buffer.from(chain.genesisHash(subscriber.tenant, 1)))).toBe(
        true,
      );
    }
  });

  test('is refused to one who has proven what this feed does not hold: the database went back', async () => {
    const subscriber = await open('back');
    await revoke(subscriber, 'tok_1', 'tok_2');
    const { position } = await take(subscriber);
    const { hash } = position;
    for (const proven of [
      { ...position, seq: 3 },
      { ...position, seq: 1 },
      { ...position, hash: Uint8Array.from(hash, (byte) => byte ^ 1) },
      { ...position, incarnation: 2 },
    ]) {
      await expect(take(subscriber, proven)).rejects.toMatchObject({ reason: 'reset_required' });
    }
    // What was proven in an earlier life binds nobody.
    expect((await take(subscriber, { ...position, seq: 99, incarnation: 0 })).position).toEqual(position);
    expect((await take(subscriber, position)).position).toEqual(position);
  });

  test('is refused by a process that has seen more than the table holds', async () => {
    const subscriber = await open('ahead');
    await revoke(subscriber, 'tok_1', 'tok_2');
    const { position } = await take(subscriber);
    await db.admin('delete from mono.feed_entries where tenant_id = $1 and seq = 2', [uuidOf(subscriber.tenant)]);
    await db.admin('update mono.feed_heads set seq = 1 where tenant_id = $1', [uuidOf(subscriber.tenant)]);
    await expect(take(subscriber, position)).rejects.toMatchObject({ reason: 'reset_required' });
    await expect(take(subscriber)).rejects.toMatchObject({ reason: 'reset_required' });
  });

  test('of another client’s subscriber is not found', async () => {
    const [mine, other] = [await open('mine'), await open('other')];
    const sibling = await subscribe(mine.tenant);
    for (const stranger of [other, sibling]) {
      await expect(take({ ...stranger, id: mine.id })).rejects.toMatchObject({ reason: 'not_found' });
    }
  });
});

test('a cursor more than 10,000 entries behind, or none at all, is told to begin with a snapshot', async () => {
  const subscriber = await open('behind');
  const positions = await fill(subscriber, 10_001);
  const tooFar = { reason: 'reset_required', detail: 'more than 10000 entries behind: begin with a snapshot' };
  await expect(firstBatch(subscriber)).rejects.toMatchObject(tooFar);
  await expect(firstBatch(subscriber, positions[0])).rejects.toMatchObject(tooFar);
  expect(await firstBatch(subscriber, positions[1])).toBe(501);
  const { position } = await take(subscriber);
  expect(position).toEqual(positions[10_001]);
  expect(await firstBatch(subscriber, position)).toBe(10_001);
});

test('where the state is too large for a snapshot, that is said, and the feed is replayed from its first entry', async () => {
  const subscriber = await open('large');
  await fill(subscriber, 10_001);
  const cuts = Array.from({ length: snapshot.cutsMax + 1 }, (_, i) => ['token', `t-${i}`, 1, null]);
  const large = RevocationState.fromSnapshot({ v: 1, seq: 10_001, epoch: 0, epochSeq: 0, cuts });
  /** A hundred thousand sign-outs a week make such a state; reading it from the table takes longer than a test may. */
  class BusyFeed extends Feed {
    override async stateIn(): Promise<RevocationState> {
      return large;
    }
  }
  const busy = openFeed(BusyFeed);
  await expect(take(subscriber, undefined, busy)).rejects.toMatchObject({ reason: 'too_large' });
  expect(await firstBatch(subscriber, undefined, busy)).toBe(500);
});
