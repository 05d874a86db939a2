import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { deriveDatabaseSecrets, migrate } from '../index.ts';
import type { Finding } from './finding.ts';
import { walkCatalogue } from './walk-catalogue.ts';

let db: TestDatabase;
let client: pg.Client;
let standing: Finding[];

beforeAll(async () => {
  db = await openTestDatabase();
  // A clone does not inherit its template's privileges on the database itself; migrating again sets the fence.
  await migrate({ adminUrl: db.url, secrets: deriveDatabaseSecrets(testKek) });
  client = new pg.Client({ connectionString: db.url });
  await client.connect();
  standing = await walk();
});
afterAll(async () => {
  await client?.end();
  await db?.close();
});

async function walk(): Promise<Finding[]> {
  return walkCatalogue(async <Row extends object>(text: string, values?: unknown[]) => {
    const { rows } = await client.query<Row>(text, values);
    return rows;
  });
}

/** What `fault` alone adds to the findings. It is rolled back, never committed: roles belong to the whole cluster. */
async function planted(fault: string): Promise<string[]> {
  const line = ({ rule, object, detail }: Finding) => `${rule}: ${object}: ${detail}`;
  const before = new Set(standing.map(line));
  await client.query('begin');
  try {
    await client.query(fault);
    const found = (await walk()).filter((finding) => !before.has(line(finding)));
    return found.map(({ rule, object }) => `${rule}: ${object}`);
  } finally {
    await client.query('rollback');
  }
}

/** A table that stands behind the wall as it should. */
const walledTable = `set role mono_owner;
  create table mono.planted (tenant_id uuid not null, id uuid not null, name text, primary key (tenant_id, id));
  call mono.build_wall('mono.planted', 'select, insert', 'select');`;
const partitionedTable = `set role mono_owner;
  create table mono.planted (tenant_id uuid not null, id uuid not null, primary key (tenant_id, id)) partition by hash (tenant_id);
  call mono.build_wall('mono.planted', 'select, insert');
  create table mono.planted_0 partition of mono.planted for values with (modulus 1, remainder 0);`;
const partitionWalled = `alter table mono.planted_0 enable row level security;
  alter table mono.planted_0 force row level security;`;

test('the migrated database departs from the wall nowhere', () => {
  expect(standing).toEqual([]);
});

test('a table made later, closed by build_wall, is no finding', async () => {
  expect(await planted(walledTable)).toEqual([]);
  expect(await planted(partitionedTable + partitionWalled)).toEqual([]);
});

test('the walk gives the same answer whatever search_path it runs under', async () => {
  expect(await planted("set local search_path = mono, identity, 'public'")).toEqual([]);
});

const faults: Record<string, [fault: string, ...found: string[]]> = {
  'a table without tenant_id': [
    `set role mono_owner; create table mono.planted (id uuid primary key)`,
    'tenant-column: mono.planted',
    'row-security: mono.planted',
    'policy: mono.planted',
    'primary-key: mono.planted planted_pkey',
  ],
  'a table in a schema that is nobody’s': [
    `create schema elsewhere; create table elsewhere.planted (id uuid primary key)`,
    'tenant-column: elsewhere.planted',
    'owner: schema elsewhere',
  ],
  'a tenant_id that may be null': [
    `set role mono_owner;
     create table mono.planted (tenant_id uuid, id uuid not null unique);
     call mono.build_wall('mono.planted', 'select')`,
    'tenant-column: mono.planted',
    'primary-key: mono.planted',
    'unique-constraint: mono.planted planted_id_key',
  ],
  'a tenant_id that is text': [
    `${walledTable} alter table mono.planted add column other text;
     create table mono.odd (tenant_id text not null, id uuid not null, primary key (tenant_id, id))`,
    'tenant-column: mono.odd',
  ],
  'a single-column primary key': [
    `set role mono_owner; create table mono.planted (tenant_id uuid not null, id uuid primary key);
     call mono.build_wall('mono.planted', 'select')`,
    'primary-key: mono.planted planted_pkey',
  ],
  'a primary key with the tenant in second place': [
    `set role mono_owner; create table mono.planted (tenant_id uuid not null, id uuid, primary key (id, tenant_id));
     call mono.build_wall('mono.planted', 'select')`,
    'primary-key: mono.planted planted_pkey',
  ],
  'a single-column unique constraint': [
    `${walledTable} alter table mono.planted add constraint one_name unique (name)`,
    'unique-constraint: mono.planted one_name',
  ],
  'a unique index without a constraint': [
    `${walledTable} create unique index one_name on mono.planted (name)`,
    'unique-index: mono.planted one_name',
  ],
  'a partial unique index on an expression': [
    `${walledTable} create unique index one_name on mono.planted (lower(name), tenant_id) where name <> ''`,
    'unique-index: mono.planted one_name',
  ],
  'an exclusion constraint without the tenant': [
    `${walledTable} alter table mono.planted add constraint one_name exclude (name with =)`,
    'exclusion-constraint: mono.planted one_name',
  ],
  'a single-column foreign key': [
    `set role mono_owner;
     create table mono.parent (tenant_id uuid not null, id uuid not null, primary key (tenant_id, id), unique (id));
     call mono.build_wall('mono.parent', 'select');
     create table mono.planted (tenant_id uuid not null, parent_id uuid constraint of_parent references mono.parent (id),
       primary key (tenant_id, parent_id));
     call mono.build_wall('mono.planted', 'select')`,
    'foreign-key: mono.planted of_parent',
    'unique-constraint: mono.parent parent_id_key',
  ],
  'a foreign key whose columns are crossed': [
    `${walledTable} create table mono.child (tenant_id uuid not null, id uuid not null, primary key (tenant_id, id),
       constraint of_parent foreign key (tenant_id, id) references mono.planted (id, tenant_id));
     call mono.build_wall('mono.child', 'select')`,
    'foreign-key: mono.child of_parent',
  ],
  'a foreign key to the tenant directory': [
    `${walledTable} alter table mono.planted add constraint of_tenant foreign key (tenant_id) references mono.tenants (id)`,
    'foreign-key: mono.planted of_tenant',
  ],
  'a missing policy': [`${walledTable} drop policy tenant_wall on mono.planted`, 'policy: mono.planted'],
  'row level security that is not forced': [
    `${walledTable} alter table mono.planted no force row level security`,
    'row-security: mono.planted',
  ],
  'row level security that is not enabled': [
    `${walledTable} alter table mono.planted disable row level security`,
    'row-security: mono.planted',
  ],
  'a policy using (true) for mono_app': [
    `${walledTable} create policy wide on mono.planted to mono_app using (true)`,
    'policy: mono.planted wide',
  ],
  'a tenant_wall with another expression': [
    `${walledTable} alter policy tenant_wall on mono.planted using (tenant_id is not null)`,
    'policy: mono.planted tenant_wall',
  ],
  'a tenant_wall on the bare setting': [
    `${walledTable} alter policy tenant_wall on mono.planted using (tenant_id = current_setting('app.tenant_id')::uuid)`,
    'policy: mono.planted tenant_wall',
  ],
  'a tenant_wall for everybody': [
    `${walledTable} alter policy tenant_wall on mono.planted to public`,
    'policy: mono.planted tenant_wall',
  ],
  'a guard of the same name in another schema': [
    `create function public.current_tenant_id() returns uuid language sql as 'select null::uuid'`,
    'definer-function: public.current_tenant_id()',
  ],
  'a policy of the platform on a table that is not listed': [
    `${walledTable} create policy platform on mono.planted to mono_platform using (true) with check (true);
     grant select on mono.planted to mono_platform`,
    'policy: mono.planted platform',
    'platform-table: table mono.planted',
  ],
  'a definer function': [
    `set role mono_owner; create function mono.planted() returns int language sql security definer
       set search_path = pg_catalog, pg_temp as 'select 1'`,
    'definer-function: mono.planted()',
  ],
  'a definer function without a fixed search_path': [
    `alter function mono.current_tenant_id() reset search_path`,
    'definer-search-path: mono.current_tenant_id()',
  ],
  'a definer function whose search_path leaves pg_temp first': [
    `alter function mono.current_tenant_id() set search_path = pg_catalog`,
    'definer-search-path: mono.current_tenant_id()',
  ],
  'a leakproof function': [
    `create function mono.planted(text) returns boolean language sql immutable leakproof as 'select true';
     alter function mono.planted(text) owner to mono_owner`,
    'leakproof-function: mono.planted(text)',
  ],
  'a view without security_invoker': [
    `${walledTable} create view mono.shown as select id from mono.planted`,
    'view: mono.shown',
  ],
  'a materialized view': [
    `${walledTable} create materialized view mono.shown as select id from mono.planted with no data`,
    'view: mono.shown',
  ],
  'a rewrite rule': [
    `${walledTable} create rule redirect as on insert to mono.planted do also notify planted`,
    'rewrite-rule: mono.planted redirect',
  ],
  'a grant on a partition': [
    `${partitionedTable + partitionWalled} grant select on mono.planted_0 to mono_app`,
    'grant-on-partition: table mono.planted_0',
  ],
  'a partition without row level security': [partitionedTable, 'row-security: mono.planted_0'],
  'a role that bypasses row level security': [
    `create role planted_reporting login bypassrls`,
    'bypass-rls: planted_reporting',
  ],
  'a login of ours that bypasses row level security': [`alter role mono_app bypassrls`, 'bypass-rls: mono_app'],
  'a login that may create roles': [`alter role mono_identity createrole`, 'role-attribute: mono_identity'],
  'a login that is a member of the owner': [`grant mono_owner to mono_app`, 'membership: mono_app'],
  'a stranger that is a member of a login': [
    `create role planted_reporting login; grant mono_app to planted_reporting`,
    'membership: planted_reporting',
  ],
  'a login with the search_path of everybody': [`alter role mono_app reset search_path`, 'login-search-path: mono_app'],
  'a table that a login owns': [
    `${walledTable} reset role; alter table mono.planted owner to mono_app`,
    'owner: mono.planted',
  ],
  'a grant to the public': [
    `${walledTable} grant select on mono.planted to public`,
    'grant-to-public: table mono.planted',
  ],
  'a grant of one column to the public': [
    `${walledTable} grant select (name) on mono.planted to public`,
    'grant-to-public: table mono.planted',
  ],
  'a function that the public may execute': [
    `set role mono_owner; create function mono.planted() returns int language sql as 'select 1';
     grant execute on function mono.planted() to public`,
    'grant-to-public: function mono.planted()',
  ],
  'a grant to a role that is not ours': [
    `create role planted_reporting; ${walledTable} grant select on mono.planted to planted_reporting`,
    'grant-to-stranger: table mono.planted',
  ],
  'a privilege that ignores policies': [
    `${walledTable} grant truncate on mono.planted to mono_app`,
    'privilege-beyond-rows: table mono.planted',
  ],
  'a privilege that a login may pass on': [
    `${walledTable} grant select on mono.planted to mono_app with grant option`,
    'grant-option: table mono.planted',
  ],
  'a grant on a table without a tenant': [
    `grant select on mono.tenant_guard to mono_app`,
    'tenantless-table: table mono.tenant_guard',
  ],
  'an audit writer that reads': [
    `${walledTable} grant select on mono.planted to mono_audit_writer`,
    'audit-writer: table mono.planted',
  ],
  'a sequence that a login may use': [
    `set role mono_owner; create sequence mono.planted; grant usage on sequence mono.planted to mono_app`,
    'sequence: sequence mono.planted',
  ],
  'a default privilege for later tables': [
    `alter default privileges for role mono_owner in schema mono grant select on tables to mono_app`,
    'default-privileges: default privileges of mono_owner, type r',
  ],
  'later functions open to the public': [
    `alter default privileges for role mono_owner grant execute on functions to public`,
    'default-privileges: functions of mono_owner',
  ],
  'a schema that a login may create in': [`grant create on schema mono to mono_app`, 'create: schema mono'],
};

describe('the walk finds', () => {
  test.each(Object.entries(faults))('%s', async (_, [fault, ...found]) => {
    expect(await planted(fault)).toEqual(expect.arrayContaining(found));
  });

  test.each(['public', 'mono_app'])('temporary tables granted to %s', async (grantee) => {
    const [row] = await db.admin<{ name: string }>('select current_database() as name');
    expect(await planted(`grant temporary on database ${row?.name} to ${grantee}`)).toEqual([
      `temporary-tables: database ${row?.name}`,
    ]);
  });
});
