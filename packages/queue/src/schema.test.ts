import { openTestDatabase, type TestDatabase } from '@mono-auth/testing';
import { createPostgresBackend, LATEST_SCHEMA_VERSION, Queue } from 'bullmq';
import { afterAll, beforeAll, expect, test } from 'vitest';

let db: TestDatabase;

beforeAll(async () => {
  db = await openTestDatabase();
});
afterAll(() => db.close());

/** Lets BullMQ migrate a schema by itself, as the superuser. */
async function letBullMqMigrate(schema: string): Promise<void> {
  const connection = { connectionString: db.url, max: 1, schema, migrate: true };
  const queue = new Queue('migrate', { connection }, createPostgresBackend);
  await queue.waitUntilReady();
  await queue.close();
}

/** Everything in a schema as its catalogue has it, without the schema's name. */
async function describeSchema(schema: string): Promise<{ functions: unknown[] }> {
  const [row] = await db.admin<{ description: string }>(
    `select json_build_object(
      'functions', (select json_agg(json_build_array(proname, pg_get_function_identity_arguments(oid),
          pg_get_function_result(oid), prosrc, provolatile, prosecdef, proargdefaults is null) order by proname,
          pg_get_function_identity_arguments(oid))
        from pg_proc where pronamespace = $1::text::regnamespace),
      'columns', (select json_agg(json_build_array(c.relname, attname, format_type(atttypid, atttypmod), attnotnull,
          pg_get_expr(adbin, adrelid)) order by c.relname, attnum)
        from pg_attribute a join pg_class c on c.oid = a.attrelid left join pg_attrdef d on d.adrelid = c.oid and adnum = attnum
        where relnamespace = $1::text::regnamespace and relkind = 'r' and attnum > 0 and not attisdropped),
      'indexes', (select json_agg(indexdef order by indexdef) from pg_indexes where schemaname::text = $1::text),
      'sequences', (select json_agg(sequencename order by sequencename) from pg_sequences where schemaname::text = $1::text),
      'ledger', (select json_agg(json_build_array(version, name, min_client_version) order by version) from ${schema}.migration)
    )::text as description`,
    [schema],
  );
  return JSON.parse((row as { description: string }).description.replaceAll(`${schema}.`, ''));
}

test('BullMQ’s own migrator finds nothing to do', async () => {
  const before = await describeSchema('bullmq');
  await letBullMqMigrate('bullmq');
  expect(await describeSchema('bullmq')).toEqual(before);
  const [ledger] = await db.admin<{ version: number }>('select max(version) as version from bullmq.migration');
  expect(ledger?.version).toBe(LATEST_SCHEMA_VERSION);
});

test('our schema is exactly the one that BullMQ’s own migrator makes', async () => {
  await letBullMqMigrate('scratch');
  const theirs = await describeSchema('scratch');
  expect(theirs.functions.length).toBeGreaterThan(50);
  expect(await describeSchema('bullmq')).toEqual(theirs);
});

test('the application login owns nothing in the schema, cannot create there and cannot touch the ledger', async () => {
  const [row] = await db.admin<Record<string, boolean>>(
    `select has_schema_privilege('mono_app', 'bullmq', 'create') as creates,
      exists (select from pg_class where relnamespace = 'bullmq'::regnamespace and relowner <> 'mono_owner'::regrole) as owns,
      has_table_privilege('mono_app', 'bullmq.migration', 'insert') as writes_ledger,
      has_schema_privilege('mono_identity', 'bullmq', 'usage') as identity,
      has_schema_privilege('mono_platform', 'bullmq', 'usage') as platform`,
  );
  expect(row).toEqual({ creates: false, owns: false, writes_ledger: false, identity: false, platform: false });
});
