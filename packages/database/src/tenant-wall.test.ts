import { newId, type TenantId, uuidOf } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { evidenceTables, platformTables } from './catalogue/exceptions.ts';
import { isTenantTable, readRelations } from './catalogue/relations.ts';
import { deriveDatabaseSecrets, migrate } from './index.ts';
import { type Login, logins } from './secrets.ts';
import { guardedTenant } from './tenant-guard.ts';

/**
 * The wall as raw SQL meets it, on every table that the catalogue knows: whatever is migrated later is covered here
 * without an edit. Each tenant table holds one row of each of two tenants, equal in every column but the tenant.
 */
const secrets = deriveDatabaseSecrets(testKek);
const insufficientPrivilege = '42501';
let db: TestDatabase;
let tables: Table[];
let everyTable: string[];
let a: TenantId;
let b: TenantId;
const clients = {} as Record<Login, { client: pg.Client; pid: number }>;

interface Column {
  readonly name: string;
  readonly type: string;
  readonly category: string;
  readonly label: string | null;
}
interface Table {
  readonly name: string;
  readonly columns: readonly Column[];
}

beforeAll(async () => {
  db = await openTestDatabase();
  // A clone does not inherit its template's privileges on the database itself; migrating again sets the fence.
  await migrate({ adminUrl: db.url, secrets });
  a = await db.createTenantRow('one');
  b = await db.createTenantRow('two');
  everyTable = (await readRelations(db.admin)).filter(({ partition }) => !partition).map(({ name }) => name);
  tables = await seedTenantTables();
  for (const login of logins) {
    const url = new URL(db.url);
    url.username = login;
    url.password = secrets.passwords[login];
    const client = new pg.Client({ connectionString: url.toString() });
    await client.connect();
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
    clients[login] = { client, pid: rows[0]?.pid as number };
  }
});
afterAll(async () => {
  await Promise.all(Object.values(clients).map(({ client }) => client.end()));
  await db?.close();
});

/**
 * Writes one row of each tenant into every tenant table as a superuser without foreign keys or triggers. Check
 * constraints are dropped from this clone first: they judge values, and the wall must not depend on values.
 */
async function seedTenantTables(): Promise<Table[]> {
  const relations = (await readRelations(db.admin)).filter((table) => isTenantTable(table) && !table.partition);
  const checks = await db.admin<{ drop: string }>(
    `select format('alter table %s drop constraint %I', conrelid::regclass, conname) as drop
    from pg_constraint where contype = 'c' and conrelid = any ($1) and coninhcount = 0`,
    [relations.map(({ oid }) => oid)],
  );
  const seeded: Table[] = [];
  const statements = checks.map(({ drop }) => drop);
  for (const { oid, name, kind } of relations) {
    const columns = await db.admin<Column>(
      `select quote_ident(attname) as name, format_type(atttypid, null) as type,
        typcategory as category, (select enumlabel from pg_enum where enumtypid = pg_type.oid order by enumsortorder limit 1) as label
      from pg_attribute join pg_type on pg_type.oid = atttypid
      where attrelid = $1 and attnum > 0 and not attisdropped and attgenerated = ''`,
      [oid],
    );
    const table = { name, columns };
    seeded.push(table);
    if (kind === 'p') statements.push(`create table ${name}_rest partition of ${name} default`);
    for (const tenantId of [a, b]) statements.push(insertInto(table, table.columns, tenantId));
  }
  await db.admin(`set session_replication_role = replica; ${statements.join('; ')}`);
  return seeded;
}

function insertInto({ name }: Table, columns: readonly Column[], tenantId: TenantId): string {
  const values = columns.map((column) =>
    column.name === 'tenant_id' ? `'${uuidOf(tenantId)}'` : literalOf(name, column),
  );
  return `insert into ${name} (${columns.map((column) => column.name).join(', ')}) overriding system value values (${values.join(', ')})`;
}

const valuesByType: Record<string, string> = {
  uuid: uuidOf(newId(systemRuntime, 'evt')),
  jsonb: '{}',
  json: '{}',
  bytea: '\\x00',
};
/** pg_type.typcategory: array, boolean, date and time, network address, number, string, timespan, bit string. */
const valuesByCategory: Record<string, string> = {
  A: '{}',
  B: 'true',
  D: '2026-01-01',
  I: '192.0.2.1',
  N: '1',
  S: 'x',
  T: '1 s',
  V: '0',
};

function literalOf(table: string, { name, type, category, label }: Column): string {
  const value = label ?? valuesByType[type] ?? valuesByCategory[category];
  if (value === undefined) throw new Error(`${table}.${name}: no value is known for the type ${type}; add one`);
  return `'${value}'::${type}`;
}

interface Answer {
  /** What a statement answered, or why it was refused. */
  readonly rows: Record<string, unknown>[];
  readonly count: number;
  readonly code: string | undefined;
  readonly message: string;
}

/** Runs one statement in a transaction of its own, rolled back, with `app.tenant_id` set to `setting`, if any. */
async function probe(login: Login, setting: string | undefined, text: string): Promise<Answer> {
  const { client } = clients[login];
  await client.query('begin');
  try {
    if (setting !== undefined) await client.query("select set_config('app.tenant_id', $1, true)", [setting]);
    const { rows, rowCount } = await client.query<Record<string, unknown>>(text);
    return { rows, count: rowCount ?? 0, code: undefined, message: '' };
  } catch (error) {
    const { code, message } = error as pg.DatabaseError;
    return { rows: [], count: 0, code, message };
  } finally {
    await client.query('rollback');
  }
}

function settingOf(login: Login, tenantId: TenantId): string {
  return guardedTenant(secrets.tenantGuardKey, tenantId, clients[login].pid);
}

/** The columns of a table on which a login holds a privilege, directly or by the table. */
async function columnsWith(login: Login, table: Table, privilege: string): Promise<Column[]> {
  const rows = await db.admin<{ name: string }>(
    `select quote_ident(attname) as name from pg_attribute where attrelid = $1::regclass and attnum > 0 and not attisdropped
       and has_column_privilege($2, attrelid, attnum, $3)`,
    [table.name, login, privilege],
  );
  const names = new Set(rows.map(({ name }) => name));
  return table.columns.filter(({ name }) => names.has(name));
}

async function readableTables(login: Login): Promise<Table[]> {
  const readable: Table[] = [];
  for (const table of tables) if ((await columnsWith(login, table, 'SELECT')).length > 0) readable.push(table);
  return readable;
}

/** Each table from which `login`, bound to a tenant, reads anything else than that tenant's one row. */
async function readLeaks(login: Login): Promise<string[]> {
  const leaks: string[] = [];
  for (const { name } of await readableTables(login)) {
    for (const tenantId of [a, b]) {
      const { rows, message } = await probe(login, settingOf(login, tenantId), `select tenant_id from ${name}`);
      const seen = rows.map((row) => row.tenant_id).join();
      if (seen !== uuidOf(tenantId)) leaks.push(`${name}: ${seen || message || 'nothing'}`);
    }
  }
  return leaks;
}

test('every tenant table holds a row of each tenant, so that no answer below is empty for want of rows', async () => {
  expect(tables.length).toBeGreaterThan(0);
  for (const { name } of tables) {
    expect(await db.admin(`select tenant_id from ${name} order by tenant_id`), name).toEqual(
      [a, b].map((tenantId) => ({ tenant_id: uuidOf(tenantId) })).sort((x, y) => (x.tenant_id < y.tenant_id ? -1 : 1)),
    );
  }
});

test('a wall with a hole fails the reading check below', async () => {
  const [table] = await readableTables('mono_app');
  await db.admin(`create policy hole on ${table?.name} to mono_app using (true)`);
  expect(await readLeaks('mono_app')).toHaveLength(2);
  await db.admin(`drop policy hole on ${table?.name}`);
});

describe.each(['mono_app', 'mono_identity'] as const)('raw SQL as %s', (login) => {
  test('reads, without any WHERE, the rows of the set tenant and no others, on every table', async () => {
    expect((await readableTables(login)).length).toBeGreaterThan(0);
    expect(await readLeaks(login)).toEqual([]);
  });

  test('raises where no tenant is set, and after the setting of a transaction has expired', async () => {
    const { client } = clients[login];
    for (const { name } of await readableTables(login)) {
      const read = `select tenant_id from ${name}`;
      expect(await probe(login, undefined, read), name).toMatchObject({
        code: insufficientPrivilege,
        message: 'no tenant is set',
      });
      await client.query(`begin; set local app.tenant_id = '${settingOf(login, a)}'; ${read}; commit`);
      await expect(client.query(read), name).rejects.toThrow('no tenant is set');
    }
  });

  test('refuses a row of another tenant, inserted or moved there', async () => {
    for (const table of tables) {
      const insertable = await columnsWith(login, table, 'INSERT');
      const insert = await probe(
        login,
        settingOf(login, a),
        insertInto(table, insertable.length ? insertable : table.columns, b),
      );
      expect(insert, table.name).toMatchObject({ code: insufficientPrivilege });
      const walled = insertable.some(({ name }) => name === 'tenant_id');
      expect(insert.message, table.name).toMatch(walled ? /violates row-level security policy/ : /^permission denied/);
      const move = await probe(login, settingOf(login, a), `update ${table.name} set tenant_id = '${uuidOf(b)}'`);
      expect(move, table.name).toMatchObject({ code: insufficientPrivilege });
    }
  });

  test('neither updates nor deletes a row of another tenant', async () => {
    let touched = 0;
    for (const table of tables) {
      const [updatable] = await columnsWith(login, table, 'UPDATE');
      const column = updatable?.name ?? 'tenant_id';
      for (const change of [`update ${table.name} set ${column} = ${column}`, `delete from ${table.name}`]) {
        const own = await probe(login, settingOf(login, a), `${change} where tenant_id = '${uuidOf(a)}'`);
        const other = await probe(login, settingOf(login, a), `${change} where tenant_id = '${uuidOf(b)}'`);
        const all = await probe(login, settingOf(login, a), change);
        expect([other.count, all.count], change).toEqual([0, own.count]);
        touched += own.count;
      }
    }
    // Not a row of the other tenant, and not for want of the privilege.
    expect(touched).toBeGreaterThan(0);
  });

  test('refuses every forged setting', async () => {
    const { pid } = clients[login];
    const uuid = uuidOf(b);
    const own = settingOf(login, a);
    const genuine = settingOf(login, b);
    const mac = genuine.slice(37);
    const forgeries = {
      'the tenant alone': uuid,
      'an empty MAC': `${uuid}|`,
      "the first tenant's MAC": `${uuid}|${own.slice(37)}`,
      'a MAC for another backend': guardedTenant(secrets.tenantGuardKey, b, pid + 1),
      'a MAC by another key': guardedTenant(new Uint8Array(32), b, pid),
      'a truncated MAC': genuine.slice(0, -1),
      'a lengthened MAC': `${genuine}0`,
      'a MAC in upper case': `${uuid}|${mac.toUpperCase()}`,
      'another spelling of the tenant': `${uuid.toUpperCase()}|${mac}`,
      'two tenants': `${uuid}|${mac}|${own}`,
      'a blank': ' ',
      'a short string': 'x',
      'a separator': '|',
      garbage: "'; drop table mono.tenants; --",
    };
    const [table] = await readableTables(login);
    for (const [what, forged] of Object.entries(forgeries)) {
      expect(await probe(login, forged, `select tenant_id from ${table?.name}`), what).toMatchObject({
        code: insufficientPrivilege,
        message: 'the tenant setting is forged',
      });
    }
    expect((await probe(login, genuine, `select tenant_id from ${table?.name}`)).count).toBe(1);
  });

  test('cannot switch the tenant in the middle of a transaction', async () => {
    const { client } = clients[login];
    const [table] = await readableTables(login);
    const read = `select tenant_id from ${table?.name}`;
    await client.query(`begin; set local app.tenant_id = '${settingOf(login, a)}'`);
    expect((await client.query(read)).rows).toEqual([{ tenant_id: uuidOf(a) }]);
    await client.query(`select set_config('app.tenant_id',
      '${uuidOf(b)}' || substr(current_setting('app.tenant_id'), 37), true)`);
    await expect(client.query(read)).rejects.toThrow('the tenant setting is forged');
    await client.query('rollback');
  });
});

describe.each(logins)('%s', (login) => {
  test('cannot take the wall down, step over it or build beside it', async () => {
    const [target] = tables;
    const attempts = [
      'set role mono_owner',
      'set session authorization mono_owner',
      'set session_replication_role = replica',
      `alter table ${target?.name} disable row level security`,
      `alter table ${target?.name} no force row level security`,
      `drop policy tenant_wall on ${target?.name}`,
      `create policy hole on ${target?.name} using (true)`,
      `truncate ${target?.name}`,
      'select inner_block from mono.tenant_guard',
      'create temporary table beside (id int)',
      'create table mono.beside (id int)',
      'create function public.beside() returns int language sql as $$ select 1 $$',
      'create schema beside',
      `alter role ${login} bypassrls`,
    ];
    for (const attempt of attempts) {
      expect(await probe(login, settingOf(login, a), attempt), attempt).toMatchObject({ code: insufficientPrivilege });
    }
  });
});

test('row_security = off raises instead of showing everything', async () => {
  const [table] = await readableTables('mono_app');
  const answer = await probe(
    'mono_app',
    settingOf('mono_app', a),
    `set local row_security = off; select tenant_id from ${table?.name}`,
  );
  expect(answer).toMatchObject({ code: insufficientPrivilege, message: expect.stringContaining('row-level security') });
});

test('mono_platform reads the listed tables and no other', async () => {
  const listed = platformTables.map(({ table }) => table).sort();
  const read: string[] = [];
  for (const name of everyTable) {
    const { code } = await probe('mono_platform', undefined, `select from ${name}`);
    expect([undefined, insufficientPrivilege], name).toContain(code);
    if (code === undefined) read.push(name);
  }
  expect(read.sort()).toEqual(listed);
});

test('mono_audit_writer inserts audit events of any tenant, and neither reads nor changes anything', async () => {
  const rows = [a, b].map((tenantId) => ({
    tenantId,
    id: newId(systemRuntime, 'evt'),
    occurredAtMs: 0,
    type: 'host.enrolled',
    outcome: 1,
    actor: 'system:platform',
    objectKind: 'host',
    objectId: 'x',
    envelope: new Uint8Array([1, 2]),
  }));
  await db.database.appendAudit(rows);
  const ids = rows.map(({ id }) => uuidOf(id));
  expect(await db.admin('select id from mono.audit_events where id = any ($1)', [ids])).toHaveLength(2);

  for (const name of everyTable) {
    const others = [`select from ${name}`, `delete from ${name}`, `update ${name} set tenant_id = tenant_id`];
    const insert = `insert into ${name} select`;
    for (const attempt of evidenceTables.includes(name) ? others : [...others, insert]) {
      const { code } = await probe('mono_audit_writer', undefined, attempt);
      // 42703: a table without that column; it is not listed by the privileges either way.
      expect([insufficientPrivilege, '42703'], attempt).toContain(code);
    }
  }
  const back = `insert into mono.audit_events (tenant_id, id, occurred_at, type, outcome, actor, object_kind, object_id, envelope)
    values ('${uuidOf(a)}', '${uuidOf(newId(systemRuntime, 'evt'))}', '2026-01-01', 'x', 1, 'x', 'x', 'x', '') returning id`;
  expect(await probe('mono_audit_writer', undefined, back)).toMatchObject({ code: insufficientPrivilege });
});
