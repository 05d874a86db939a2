import { type TenantId, uuidOf } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import type pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { Database, deriveDatabaseSecrets } from './index.ts';

/** One connection unless a test says otherwise: what one borrower leaves behind, the next would find. */
let db: TestDatabase;
let tenants: TenantId[];
let a: TenantId;
let b: TenantId;
let single: Database;

beforeAll(async () => {
  db = await openTestDatabase();
  tenants = [];
  for (const slug of ['one', 'two', 'three', 'four']) tenants.push(await db.createTenantRow(slug));
  [a, b] = tenants as [TenantId, TenantId];
  await db.admin(`set role mono_owner;
    create table identity.notes (tenant_id uuid not null default mono.current_tenant_id(), id uuid not null, body text not null check (body <> ''),
      primary key (tenant_id, id));
    call mono.build_wall('identity.notes', '', 'select, insert, update, delete')`);
  for (const tenantId of tenants) {
    await db.admin(`insert into identity.notes (tenant_id, id, body) values ($1, $2, 'seed')`, [
      uuidOf(tenantId),
      systemRuntime.uuid(),
    ]);
  }
});
afterAll(() => db?.close());
beforeEach(() => {
  single = openDatabase(1);
});
afterEach(() => single.close());

function openDatabase(poolSize: number): Database {
  return new Database({ url: db.url, secrets: deriveDatabaseSecrets(testKek), poolSize });
}

async function pidOf(client: pg.PoolClient): Promise<number> {
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
  return rows[0]?.pid as number;
}

function write(client: pg.PoolClient, body: string): Promise<unknown> {
  return client.query('insert into notes (id, body) values ($1, $2)', [systemRuntime.uuid(), body]);
}

/** Borrows for a tenant, says which backend it got and whose rows it sees, and gives back. */
async function look(tenantId: TenantId): Promise<{ pid: number; tenants: string[]; bodies: string[] }> {
  const client = await single.identityPool(tenantId).connect();
  const pid = await pidOf(client);
  const { rows } = await client.query<{ tenant_id: string; body: string }>('select tenant_id, body from notes');
  client.release();
  return { pid, tenants: [...new Set(rows.map((row) => row.tenant_id))], bodies: rows.map(({ body }) => body) };
}

test('one connection serves tenant after tenant, each sees its own rows', async () => {
  const first = await look(a);
  const second = await look(b);
  expect(first.tenants).toEqual([uuidOf(a)]);
  expect(second.tenants).toEqual([uuidOf(b)]);
  expect(second.pid).toBe(first.pid);
});

test('a client given back inside an open transaction is destroyed, and its writes with it', async () => {
  const client = await single.identityPool(a).connect();
  const pid = await pidOf(client);
  await client.query('begin');
  await write(client, 'left open');
  client.release();
  const next = await look(b);
  expect(next.pid).not.toBe(pid);
  expect(next.tenants).toEqual([uuidOf(b)]);
  expect((await look(a)).bodies).not.toContain('left open');
});

test('a client given back inside an aborted transaction is destroyed', async () => {
  const client = await single.identityPool(a).connect();
  const pid = await pidOf(client);
  await client.query('begin');
  await write(client, 'aborted');
  await expect(write(client, '')).rejects.toThrow('check constraint');
  client.release();
  const next = await look(b);
  expect(next.pid).not.toBe(pid);
  expect(next.tenants).toEqual([uuidOf(b)]);
  expect((await look(a)).bodies).not.toContain('aborted');
});

test('a client given back while it is still opening a transaction is destroyed', async () => {
  const client = await single.identityPool(a).connect();
  const pid = await pidOf(client);
  void client.query('begin');
  client.release();
  const next = await look(b);
  expect(next.pid).not.toBe(pid);
  expect(next.tenants).toEqual([uuidOf(b)]);
});

test('nothing of a session outlives it: settings, locks, prepared statements, the tenant itself', async () => {
  const client = await single.identityPool(a).connect();
  const pid = await pidOf(client);
  await client.query("set search_path = 'public'");
  await client.query('select pg_advisory_lock(1)');
  await client.query('prepare leftover as select 1');
  client.release();
  const next = await single.identityPool(b).connect();
  expect(await pidOf(next)).toBe(pid);
  const { rows } = await next.query(`select current_setting('search_path') as path,
    (select count(*)::int from pg_locks where locktype = 'advisory' and pg_locks.pid = pg_backend_pid()) as locks,
    (select count(*)::int from pg_prepared_statements) as prepared,
    left(current_setting('app.tenant_id'), 36) as tenant`);
  expect(rows).toEqual([{ path: 'identity, pg_temp', locks: 0, prepared: 0, tenant: uuidOf(b) }]);
  next.release();
});

test('the tenant is set anew at every checkout, whatever the borrower before did to the setting', async () => {
  const client = await single.identityPool(a).connect();
  const pid = await pidOf(client);
  await client.query("select set_config('app.tenant_id', 'x', false)");
  await expect(client.query('select tenant_id from notes')).rejects.toThrow('the tenant setting is forged');
  client.release();
  expect(await look(a)).toMatchObject({ pid, tenants: [uuidOf(a)] });
});

test('the pool itself runs no statement: it would be on a connection of unknown tenant', () => {
  expect(() => single.identityPool(a).query()).toThrow('the identity pool has no query');
});

test('a client that was given back is dead, also through a method that was taken from it earlier', async () => {
  const client = await single.identityPool(a).connect();
  const { query } = client as { query: (text: string) => Promise<unknown> };
  client.release();
  expect(() => client.query('select tenant_id from notes')).toThrow('the connection was given back');
  expect(() => query('select tenant_id from notes')).toThrow('the connection was given back');
  expect(() => client.release()).toThrow('the connection was given back already');
  expect((await look(b)).tenants).toEqual([uuidOf(b)]);
});

test('a client released with an error is destroyed', async () => {
  const client = await single.identityPool(a).connect();
  const pid = await pidOf(client);
  client.release(new Error('in doubt'));
  expect((await look(b)).pid).not.toBe(pid);
});

test('a connection lost while it is out is an error for its borrower, and the next one gets another', async () => {
  const client = await single.identityPool(a).connect();
  await db.admin('select pg_terminate_backend($1, 5000)', [await pidOf(client)]);
  await expect(client.query('select 1')).rejects.toThrow();
  client.release();
  expect((await look(b)).tenants).toEqual([uuidOf(b)]);
});

test('the end of one tenant’s pool leaves the others their connections', async () => {
  await single.identityPool(a).end();
  expect((await look(b)).tenants).toEqual([uuidOf(b)]);
});

test('600 interleaved reads of 4 tenants over 4 connections never see a row of another', async () => {
  const database = openDatabase(4);
  const pids = new Set<number>();
  const wrong: string[] = [];
  await Promise.all(
    Array.from({ length: 600 }, async (_, i) => {
      const tenantId = tenants[i % tenants.length] as TenantId;
      const client = await database.identityPool(tenantId).connect();
      const { rows } = await client.query<{ tenant_id: string; pid: number }>(
        'select tenant_id, pg_backend_pid() as pid from notes',
      );
      client.release();
      for (const row of rows) pids.add(row.pid);
      if (rows.length === 0 || rows.some((row) => row.tenant_id !== uuidOf(tenantId))) wrong.push(tenantId);
    }),
  );
  expect(wrong).toEqual([]);
  expect(pids.size).toBeLessThanOrEqual(4);
  await database.close();
});
