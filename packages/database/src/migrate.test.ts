import { createHash } from 'node:crypto';
import { systemRuntime } from '@mono-auth/core/runtime';
import { FakeRuntime, testKek } from '@mono-auth/testing';
import pg from 'pg';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { deriveDatabaseSecrets, type Migration, migrate } from './index.ts';
import { readMigrations } from './migrate.ts';
import { prepareCluster } from './roles.ts';

const secrets = deriveDatabaseSecrets(testKek);
let adminUrl: string;
let name: string;

/** An empty database, which the template is not. */
beforeEach(async () => {
  name = `migrate_${systemRuntime.uuid().replaceAll('-', '')}`;
  await run(inject('adminUrl'), `create database ${name}`);
  const url = new URL(inject('adminUrl'));
  url.pathname = `/${name}`;
  adminUrl = url.toString();
});
afterEach(() => run(inject('adminUrl'), `drop database ${name} with (force)`));

async function run(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text)).rows;
  } finally {
    await client.end();
  }
}

function migration(file: string, sql: string): Migration {
  return { name: file, sql, checksum: createHash('sha256').update(sql).digest('hex') };
}

/** The guard's table, which every database has, and one of this test's own. */
const base = readMigrations().filter((file) => file.name.startsWith('0001_'));
const first = migration('0002_test_create.sql', 'create table mono.first (id int primary key)');
const second = migration('0003_test_create.sql', 'create table mono.second (id int primary key)');

async function tables(): Promise<unknown[]> {
  const rows = await run(
    adminUrl,
    "select relname from pg_class where relname in ('first', 'second') order by relname",
  );
  return rows.map(({ relname }) => relname);
}

test('every migration runs once, in order; a second run does nothing', async () => {
  const migrations = [...base, first, second];
  const runtime = new FakeRuntime();
  expect(await migrate({ adminUrl, secrets, migrations, runtime })).toEqual(migrations.map((file) => file.name));
  runtime.advance(1000);
  expect(await migrate({ adminUrl, secrets, migrations, runtime })).toEqual([]);
  expect(await tables()).toEqual(['first', 'second']);
  const dates = await run(adminUrl, 'select distinct applied_at from mono.schema_migrations');
  expect(dates).toEqual([{ applied_at: new Date(runtime.nowMs() - 1000) }]);
});

test('the migrations of this release bring an empty database to the newest schema, owned by mono_owner', async () => {
  const files = readMigrations();
  expect(await migrate({ adminUrl, secrets })).toEqual(files.map((file) => file.name));
  const owners = await run(
    adminUrl,
    "select distinct tableowner from pg_tables where schemaname in ('mono', 'identity')",
  );
  expect(owners).toEqual([{ tableowner: 'mono_owner' }]);
});

test('a migration that was changed after it ran is refused, and nothing runs', async () => {
  await migrate({ adminUrl, secrets, migrations: [...base, first] });
  const changed = migration(first.name, `${first.sql}; select 1`);
  await expect(migrate({ adminUrl, secrets, migrations: [...base, changed, second] })).rejects.toThrow(
    'migration 0002_test_create.sql was changed after it ran',
  );
  expect(await tables()).toEqual(['first']);
});

test('a database that is ahead of the release is refused, and nothing runs', async () => {
  await migrate({ adminUrl, secrets, migrations: [...base, first] });
  await expect(migrate({ adminUrl, secrets, migrations: [...base, second] })).rejects.toThrow(
    'migration 0002_test_create.sql has run on this database and is not in this release',
  );
  expect(await tables()).toEqual(['first']);
});

test('a dry run names what would run and changes nothing, also on an empty database', async () => {
  const migrations = [...base, first];
  expect(await migrate({ adminUrl, secrets, migrations, dryRun: true })).toEqual(migrations.map((file) => file.name));
  expect(await run(adminUrl, "select nspname from pg_namespace where nspname = 'mono'")).toEqual([]);
  await migrate({ adminUrl, secrets, migrations });
  expect(await migrate({ adminUrl, secrets, migrations: [...migrations, second], dryRun: true })).toEqual([
    second.name,
  ]);
  expect(await tables()).toEqual(['first']);
});

test('a migration that fails is rolled back whole and named; those before it stay, and the run can be repeated', async () => {
  const broken = migration(second.name, `${second.sql}; select 1 / 0`);
  await expect(migrate({ adminUrl, secrets, migrations: [...base, first, broken] })).rejects.toThrow(
    'migration 0003_test_create.sql failed and was rolled back: division by zero',
  );
  expect(await tables()).toEqual(['first']);
  expect(await migrate({ adminUrl, secrets, migrations: [...base, first, second] })).toEqual([second.name]);
});

test('of two runners at once, one runs the migrations and the other finds nothing to do', async () => {
  const migrations = [...base, migration(first.name, `select pg_sleep(0.2); ${first.sql}`)];
  const ran = await Promise.all([
    migrate({ adminUrl, secrets, migrations }),
    migrate({ adminUrl, secrets, migrations }),
  ]);
  expect(ran.map((names) => names.length).sort()).toEqual([0, 2]);
});

test('a role of ours that may step over the wall already is refused, not adopted', async () => {
  const client = new pg.Client({ connectionString: adminUrl });
  await client.connect();
  try {
    // Never committed: roles belong to the whole cluster.
    await client.query('begin');
    await client.query('alter role mono_app bypassrls');
    await expect(prepareCluster(client, secrets)).rejects.toThrow('role mono_app exists and has rights');
  } finally {
    await client.end();
  }
});

test('databases of one cluster can be prepared at the same moment, although they share the roles', async () => {
  await migrate({ adminUrl, secrets, migrations: base });
  const clients = Array.from({ length: 4 }, () => new pg.Client({ connectionString: adminUrl }));
  try {
    await Promise.all(
      clients.map(async (client) => {
        await client.connect();
        for (let i = 0; i < 5; i++) await prepareCluster(client, secrets);
      }),
    );
  } finally {
    await Promise.all(clients.map((client) => client.end()));
  }
});

test('services of an earlier release are resources of production afterwards, and the wall around clients still holds the owner off', async () => {
  const files = readMigrations();
  const before = files.filter((file) => file.name < '0250');
  await migrate({ adminUrl, secrets, migrations: before });
  const [living, retired, tenant] = [systemRuntime.uuid(), systemRuntime.uuid(), systemRuntime.uuid()];
  const client = (id: string, status: string, resource: string) =>
    `('${tenant}', '${id}', 'service', '${resource}', '${status}', '{}', '{}', '${resource}', '{"keys":[]}', '2026-01-01')`;
  await run(
    adminUrl,
    `insert into mono.clients (tenant_id, id, kind, name, status, scopes, audiences, resource, jwks, created_at)
     values ${client(living, 'approved', 'https://a.example')}, ${client(retired, 'retired', 'https://b.example')}`,
  );
  await migrate({ adminUrl, secrets, migrations: files });
  expect(
    await run(
      adminUrl,
      'select identifier, environment, client_id, retired, is_default from mono.resources order by identifier',
    ),
  ).toEqual([
    {
      identifier: 'https://a.example',
      environment: 'production',
      client_id: living,
      retired: false,
      is_default: false,
    },
    {
      identifier: 'https://b.example',
      environment: 'production',
      client_id: retired,
      retired: true,
      is_default: false,
    },
  ]);
  expect(
    await run(
      adminUrl,
      `select relrowsecurity and relforcerowsecurity as forced from pg_class where oid = 'mono.clients'::regclass`,
    ),
  ).toEqual([{ forced: true }]);
});
