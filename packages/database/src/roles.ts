import type pg from 'pg';
import { type DatabaseSecrets, type Login, logins } from './secrets.ts';

/** `pg_temp` stands last so that nobody's temporary object shadows a name of ours. */
const searchPaths: Record<Login, string> = {
  mono_app: 'mono, pg_temp',
  mono_identity: 'identity, pg_temp',
  mono_platform: 'mono, pg_temp',
  mono_audit_writer: 'mono, pg_temp',
};

/** Tries before giving up: each runner does the same few statements, so a collision is over in milliseconds. */
const attemptsMax = 10;

/**
 * Makes the owner and the four logins (none of them may bypass row level security), sets their passwords and fences
 * the database: nobody but the owner creates objects, nobody makes temporary tables. Safe to repeat.
 * @throws Error when a role of that name exists already and has rights that would step over the wall.
 */
export async function prepareCluster(client: pg.Client, secrets: DatabaseSecrets): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await prepare(client, secrets);
    } catch (error) {
      // Roles belong to the whole cluster: another of its databases may be prepared at the same moment.
      const collided = (error as Error).message.includes('concurrently updated');
      if (!collided || attempt === attemptsMax) throw error;
    }
  }
}

async function prepare(client: pg.Client, secrets: DatabaseSecrets): Promise<void> {
  await createRole(client, 'mono_owner', 'nologin');
  await client.query('grant mono_owner to current_user');
  for (const login of logins) {
    await createRole(client, login, 'login');
    // Derived passwords are hexadecimal: quoting them is safe.
    await client.query(`alter role ${login} password '${secrets.passwords[login]}'`);
    await client.query(`alter role ${login} set search_path = ${searchPaths[login]}`);
  }
  const { rows } = await client.query<{ name: string }>('select quote_ident(current_database()) as name');
  const database = (rows[0] as { name: string }).name;
  await client.query(`revoke all on database ${database} from public`);
  await client.query(`grant connect on database ${database} to ${logins.join(', ')}`);
  await client.query(`grant create on database ${database} to mono_owner`);
  for (const schema of ['mono', 'identity', 'bullmq']) {
    await client.query(`create schema if not exists ${schema} authorization mono_owner`);
    await client.query(`revoke all on schema ${schema} from public`);
  }
  await client.query('revoke all on schema public from public');
}

async function createRole(client: pg.Client, role: string, kind: 'login' | 'nologin'): Promise<void> {
  const { rows } = await client.query<{ excessive: boolean }>(
    `select rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication or (rolcanlogin and $2) as excessive
     from pg_roles where rolname = $1`,
    [role, kind === 'nologin'],
  );
  if (rows[0]?.excessive) {
    throw new Error(`role ${role} exists and has rights that would step over the tenant wall: take them away first`);
  }
  if (rows.length > 0) return;
  // Another database of the cluster may be prepared at the same moment.
  await client.query(`do $$ begin create role ${role} ${kind} nosuperuser nocreatedb nocreaterole inherit;
    exception when duplicate_object or unique_violation then null; end $$`);
}
