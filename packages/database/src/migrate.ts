import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Runtime, systemRuntime } from '@mono-auth/core/runtime';
import pg from 'pg';
import { prepareCluster } from './roles.ts';
import type { DatabaseSecrets } from './secrets.ts';
import { guardKeyBlocks } from './tenant-guard.ts';

export interface Migration {
  readonly name: string;
  readonly sql: string;
  /** SHA-256 of the file, hex. A file that has run must never change. */
  readonly checksum: string;
}

export interface MigrateOptions {
  /** A login that may create roles and schemas in this database. */
  readonly adminUrl: string;
  readonly secrets: DatabaseSecrets;
  /** Names what would run and runs nothing. */
  readonly dryRun?: boolean;
  /** The clock that dates what ran; the real one unless a test says otherwise. */
  readonly runtime?: Runtime;
  /** For tests of the runner itself; otherwise the files of this package. */
  readonly migrations?: readonly Migration[];
}

/** One runner at a time per database. The number is arbitrary and ours ("mono" in ASCII). */
const advisoryLock = 0x6d6f6e6f;
/** A server that needs longer is taken for one that does not answer. */
const connectTimeoutMs = 5_000;
/** The oldest release that the schema runs on (security_invoker views), as server_version_num counts. */
const serverVersionMin = 150_000;
const namePattern = /^\d{4}_[a-z]+_[a-z_]+\.sql$/;

export function readMigrations(directory = join(import.meta.dirname, '../migrations')): Migration[] {
  const files = readdirSync(directory)
    .filter((file) => file.endsWith('.sql'))
    .sort();
  return files.map((name) => {
    if (!namePattern.test(name)) throw new Error(`${name}: migrations are named NNNN_<package>_<verb>.sql`);
    const sql = readFileSync(join(directory, name), 'utf8');
    return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') };
  });
}

/**
 * Brings a database to the newest schema: roles, then every migration that has not run, each in a transaction of its
 * own under `mono_owner`.
 * @returns the names that ran (or, with `dryRun`, would).
 * @throws Error when a migration that has run was changed or is gone.
 */
export async function migrate(options: MigrateOptions): Promise<string[]> {
  const migrations = options.migrations ?? readMigrations();
  const client = new pg.Client({ connectionString: options.adminUrl, connectionTimeoutMillis: connectTimeoutMs });
  // A server that goes away between two statements says so by an event, which must not end the process.
  client.on('error', () => {});
  try {
    await client.connect();
    await refuseOldServer(client);
    await client.query('select pg_advisory_lock($1)', [advisoryLock]);
    if (options.dryRun) return pending(migrations, await applied(client)).map((migration) => migration.name);
    await refuseOtherKey(client, options.secrets);
    await prepareCluster(client, options.secrets);
    await client.query('set role mono_owner');
    await client.query('set search_path = pg_catalog, pg_temp');
    await client.query(`create table if not exists mono.schema_migrations (
      name text primary key, checksum text not null, applied_at timestamptz not null)`);
    const todo = pending(migrations, await applied(client));
    for (const migration of todo) await apply(client, migration, options.runtime ?? systemRuntime);
    await storeGuardKey(client, options.secrets);
    return todo.map((migration) => migration.name);
  } finally {
    await client.end();
  }
}

async function refuseOldServer(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ version: string; number: number }>(
    "select current_setting('server_version') as version, current_setting('server_version_num')::int as number",
  );
  const [server] = rows;
  if (server && server.number < serverVersionMin) {
    throw new Error(`the server is Postgres ${server.version}; allowed: 15 or later`);
  }
}

async function applied(client: pg.Client): Promise<Map<string, string>> {
  const { rows: known } = await client.query<{ there: boolean }>(
    "select to_regclass('mono.schema_migrations') is not null as there",
  );
  if (!known[0]?.there) return new Map();
  const { rows } = await client.query<{ name: string; checksum: string }>(
    'select name, checksum from mono.schema_migrations',
  );
  return new Map(rows.map((row) => [row.name, row.checksum]));
}

function pending(migrations: readonly Migration[], done: ReadonlyMap<string, string>): Migration[] {
  const names = new Set(migrations.map((migration) => migration.name));
  for (const name of done.keys()) {
    if (!names.has(name)) throw new Error(`migration ${name} has run on this database and is not in this release`);
  }
  return migrations.filter((migration) => {
    const checksum = done.get(migration.name);
    if (checksum !== undefined && checksum !== migration.checksum) {
      throw new Error(`migration ${migration.name} was changed after it ran; write a new one instead`);
    }
    return checksum === undefined;
  });
}

async function apply(client: pg.Client, migration: Migration, runtime: Runtime): Promise<void> {
  await client.query('begin');
  try {
    await client.query(migration.sql);
    await client.query('insert into mono.schema_migrations (name, checksum, applied_at) values ($1, $2, $3)', [
      migration.name,
      migration.checksum,
      new Date(runtime.nowMs()),
    ]);
    await client.query('commit');
  } catch (cause) {
    await client.query('rollback');
    throw new Error(`migration ${migration.name} failed and was rolled back: ${(cause as Error).message}`, { cause });
  }
}

/**
 * The logins' passwords and the guard key follow from the key-encryption key. Another key would lock out every process
 * of this installation, and could not open what the first one has wrapped: nothing is changed then.
 */
async function refuseOtherKey(client: pg.Client, secrets: DatabaseSecrets): Promise<void> {
  const { rows: known } = await client.query<{ there: boolean }>(
    "select to_regclass('mono.tenant_guard') is not null as there",
  );
  if (!known[0]?.there) return;
  const { rows } = await client.query<{ inner_block: Buffer }>('select inner_block from mono.tenant_guard');
  const [stored] = rows;
  if (stored && !stored.inner_block.equals(guardKeyBlocks(secrets.tenantGuardKey).inner)) {
    throw new Error('MONO_KEK: is not the key that this database was set up with; allowed: that key alone');
  }
}

async function storeGuardKey(client: pg.Client, secrets: DatabaseSecrets): Promise<void> {
  const { inner, outer } = guardKeyBlocks(secrets.tenantGuardKey);
  await client.query(
    `insert into mono.tenant_guard (only_row, inner_block, outer_block) values (true, $1, $2)
     on conflict (only_row) do nothing`,
    [inner, outer],
  );
}
