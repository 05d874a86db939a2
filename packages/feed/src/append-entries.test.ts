import { newId, type TenantId, type TokenId, uuidOf } from '@mono-auth/core/ids';
import type { TenantTx } from '@mono-auth/database';
import { chain } from '@mono-auth/feed-engine';
import { createLocalKms, openKeyring } from '@mono-auth/keys';
import { FakeRuntime, openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Feed, type NewEntry } from './index.ts';
import { readEntries, readHead } from './store.ts';

const runtime = new FakeRuntime();
const woken: string[] = [];
let db: TestDatabase;

/** A process of its own: nothing held from before. */
function openFeed(): Feed {
  const keys = openKeyring({
    database: db.database,
    runtime,
    kms: createLocalKms(testKek),
    platformIssuer: 'https://mono.test/t/platform',
    rootTenant: async () => newId(runtime, 'ten'),
  });
  const ephemeral = {
    publish: async (_channel: string, payload: string) => void woken.push(payload),
    subscribe: async () => () => {},
  };
  return new Feed({ database: db.database, ephemeral, keys, runtime });
}

let feed: Feed;
beforeAll(async () => {
  db = await openTestDatabase();
  feed = openFeed();
});
afterAll(() => db.close());

async function provision(slug: string, incarnation = 1): Promise<TenantId> {
  const tenant = await db.createTenantRow(slug);
  await db.database.forTenant(tenant, (tx) => feed.provision(tx, incarnation));
  return tenant;
}

function tokenRevocation(jti: TokenId = newId(runtime, 'tok')): NewEntry {
  const target = { kind: 'token', jti } as const;
  return { kind: 'revocation', payload: { v: 1, id: newId(runtime, 'rev'), target, reason: 'test' } };
}

const claimsOf = (jti: TokenId) => ({ jti, sub: 'client:cli_1', ep: 1, fs: 0 });
const tableOf = (tenant: TenantId) =>
  db.database.forTenant(tenant, async (tx) => ({ head: await readHead(tx), entries: await readEntries(tx, 0, 1_000) }));

test('twenty appends at once give one dense chain that begins at 1', async () => {
  const tenant = await provision('parallel', 4);
  const seqs = await Promise.all(
    Array.from({ length: 20 }, () =>
      db.database.forTenant(tenant, (tx) => feed.append(tx, [tokenRevocation(), tokenRevocation()])),
    ),
  );
  expect(seqs.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, i) => 2 * (i + 1)));
  const { head, entries } = await tableOf(tenant);
  expect(entries.map(({ seq }) => seq)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
  let hash: Uint8Array = chain.genesisHash(tenant, 4);
  for (const entry of entries) {
    hash = chain.entryHash(hash, entry);
    expect(entry.hash).toEqual(hash);
  }
  expect(head).toEqual({ incarnation: 4, seq: 40, hash });
});

test('an append that is rolled back leaves no gap and wakes nobody', async () => {
  const tenant = await provision('rollback');
  await db.database.forTenant(tenant, (tx) => feed.append(tx, [tokenRevocation()]));
  woken.length = 0;
  const failed = db.database.forTenant(tenant, async (tx) => {
    expect(await feed.append(tx, [tokenRevocation()])).toBe(2);
    throw new Error('no');
  });
  await expect(failed).rejects.toThrow('no');
  expect(woken).toEqual([]);
  expect(await db.database.forTenant(tenant, (tx) => feed.append(tx, [tokenRevocation()]))).toBe(2);
  expect(woken).toEqual([tenant]);
  expect((await tableOf(tenant)).entries.map(({ seq }) => seq)).toEqual([1, 2]);
});

test('a payload that is not that of its kind is refused, and nothing is appended', async () => {
  const tenant = await provision('malformed');
  const entry: NewEntry = { kind: 'epoch', payload: { v: 1, epoch: -1 } };
  const refused = db.database.forTenant(tenant, (tx) => feed.append(tx, [tokenRevocation(), entry]));
  await expect(refused).rejects.toMatchObject({ reason: 'invalid_request' });
  expect((await tableOf(tenant)).entries).toEqual([]);
});

test('the state knows at once what was committed, also in a process that held an older one', async () => {
  const tenant = await provision('state');
  const other = openFeed();
  const jti = newId(runtime, 'tok');
  expect((await other.state(tenant)).isRevoked(claimsOf(jti))).toEqual({ revoked: false });
  await db.database.forTenant(tenant, (tx) => feed.append(tx, [tokenRevocation(), tokenRevocation(jti)]));
  for (const process of [feed, other]) {
    const states = await Promise.all([process.state(tenant), process.state(tenant)]);
    for (const state of states) expect(state.isRevoked(claimsOf(jti))).toMatchObject({ revoked: true, seq: 2 });
  }
  expect(await db.database.forTenant(tenant, (tx) => feed.headSeq(tx))).toBe(2);
});

test('the state does not take what its own transaction may still roll back', async () => {
  const tenant = await provision('uncommitted');
  const jti = newId(runtime, 'tok');
  const asked = db.database.forTenant(tenant, async (tx) => {
    expect((await feed.stateIn(tx)).seq).toBe(0);
    await feed.append(tx, [tokenRevocation(jti)]);
    return feed.stateIn(tx);
  });
  await expect(asked).rejects.toThrow(TypeError);
  expect((await feed.state(tenant)).isRevoked(claimsOf(jti))).toEqual({ revoked: false });
});

test('a state begins anew with a new incarnation', async () => {
  const tenant = await provision('reborn');
  const jti = newId(runtime, 'tok');
  await db.database.forTenant(tenant, (tx) => feed.append(tx, [tokenRevocation(jti)]));
  expect((await feed.state(tenant)).seq).toBe(1);
  await db.admin('delete from mono.feed_entries where tenant_id = $1', [uuidOf(tenant)]);
  await db.admin('update mono.feed_heads set incarnation = 2, seq = 0 where tenant_id = $1', [uuidOf(tenant)]);
  expect((await feed.state(tenant)).isRevoked(claimsOf(jti))).toEqual({ revoked: false });
});

test('two tenants never mix: neither sequence nor state nor chain', async () => {
  const [one, two] = [await provision('one'), await provision('two')];
  const jti = newId(runtime, 'tok');
  await db.database.forTenant(one, (tx) => feed.append(tx, [tokenRevocation(jti), tokenRevocation()]));
  expect(await db.database.forTenant(two, (tx) => feed.append(tx, [tokenRevocation()]))).toBe(1);
  expect((await feed.state(one)).isRevoked(claimsOf(jti)).revoked).toBe(true);
  expect((await feed.state(two)).isRevoked(claimsOf(jti)).revoked).toBe(false);
  expect((await tableOf(two)).entries).toHaveLength(1);
});

test('a tenant without a feed is refused as feed_stale', async () => {
  const tenant = await db.createTenantRow('unborn');
  await expect(feed.state(tenant)).rejects.toMatchObject({ reason: 'feed_stale' });
});

test('nobody but the owner can rewrite or delete an entry', async () => {
  const tenant = await provision('frozen');
  await db.database.forTenant(tenant, (tx) => feed.append(tx, [tokenRevocation()]));
  for (const change of [
    (tx: TenantTx) => tx.sql`update mono.feed_entries set kind = 'epoch'`,
    (tx: TenantTx) => tx.sql`delete from mono.feed_entries`,
    (tx: TenantTx) => tx.sql`update mono.feed_heads set incarnation = 9`,
  ]) {
    await expect(db.database.forTenant(tenant, change)).rejects.toThrow(/permission denied/);
  }
});
