import { uuidOf } from '@mono-auth/core/ids';
import { FakeRuntime, openTestDatabase, type TestDatabase } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type EphemeralBench, ephemeralContract } from './ephemeral-contract.ts';
import { createPostgresEphemeral } from './ephemeral-postgres.ts';
import { sweepEphemeral } from './sweep-ephemeral.ts';

let db: TestDatabase;
let bench: EphemeralBench;

beforeAll(async () => {
  db = await openTestDatabase();
  const runtime = new FakeRuntime();
  const deps = { database: db.database, runtime };
  bench = {
    ephemeral: createPostgresEphemeral(deps),
    other: createPostgresEphemeral(deps),
    tenants: [await db.createTenantRow('acme'), await db.createTenantRow('globex')],
    pass: async (ms) => runtime.advance(ms),
    dump: async () => JSON.stringify(await db.admin("select e::text, encode(digest, 'base64') from mono.ephemeral e")),
    lose: async () => {
      await db.admin('truncate mono.ephemeral, mono.ephemeral_incarnation');
    },
  };
});
afterAll(async () => {
  await Promise.all([bench.ephemeral.close(), bench.other.close()]);
  await db.close();
});

test.each(ephemeralContract)('$guarantee', async ({ check }) => {
  await check(bench);
});

test('the sweep deletes what has expired in every tenant and nothing else', async () => {
  const runtime = new FakeRuntime();
  const ephemeral = createPostgresEphemeral({ database: db.database, runtime });
  const [acme, globex] = bench.tenants;
  await bench.lose();
  for (const tenant of [acme, globex]) {
    await ephemeral.set(tenant, 'hot', 'short', 'v', 1_000);
    await ephemeral.set(tenant, 'hot', 'long', 'v', 10_000);
  }
  runtime.advance(1_000);
  expect(await sweepEphemeral({ database: db.database, runtime })).toBe(2);
  expect(await sweepEphemeral({ database: db.database, runtime })).toBe(0);
  expect(await ephemeral.get(globex, 'hot', 'long')).toBe('v');
  const rows = await db.admin<{ tenant_id: string }>('select tenant_id from mono.ephemeral order by tenant_id');
  expect(rows.map((row) => row.tenant_id)).toEqual([acme, globex].map(uuidOf).sort());
});

test('the platform can sweep but not read what tenants have stored', async () => {
  const read = db.database.forPlatform('test', (tx) => tx.sql`select value from mono.ephemeral`);
  await expect(read).rejects.toThrow('permission denied');
});
