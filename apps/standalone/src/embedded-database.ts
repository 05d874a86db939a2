import { hkdfSync } from 'node:crypto';
import { ConfigError } from '@mono-auth/control-plane';
import { hex, utf8 } from '@mono-auth/core/encoding';
import { type DatabaseSecrets, migrate, startEmbeddedPostgres, whyUnreachable } from '@mono-auth/database';
import type { Logger } from 'pino';
import { embeddedDirectory } from './data-directory.ts';

export interface RunningDatabase {
  /** URL under a login that may create roles and schemas there. */
  readonly adminUrl: string;
  /** How a message may name it: never with its password. */
  readonly name: string;
  stop(): Promise<void>;
}

/** Postgres' answers to a password that it does not know, and to a login that may not do what it asks for. */
const invalidPassword = '28P01';
const insufficientPrivilege = '42501';

/**
 * The database named by MONO_DATABASE_URL, or our own Postgres in the data directory.
 * @throws ConfigError when our own does not start.
 */
export async function openDatabaseServer(
  url: string | undefined,
  directory: string,
  kek: Uint8Array,
  log: Logger,
): Promise<RunningDatabase> {
  if (url) {
    const { host, pathname } = new URL(url);
    return { adminUrl: url, name: `MONO_DATABASE_URL: ${host}${pathname}`, stop: async () => {} };
  }
  try {
    const server = await startEmbeddedPostgres({
      dataDir: embeddedDirectory(directory),
      superuserPassword: derivePassword(kek),
      log: (line) => log.debug(line),
      warn: (line) => log.warn(line),
    });
    return { adminUrl: server.adminUrl, name: 'MONO_DATA_DIR: its database', stop: () => server.stop() };
  } catch (error) {
    // Its password follows from the key.
    if (((error as Error).cause as { code?: unknown } | undefined)?.code === invalidPassword) throw otherKey();
    throw new ConfigError(`MONO_DATA_DIR: ${firstLine(error)}`);
  }
}

function otherKey(): ConfigError {
  return new ConfigError('MONO_KEK: is not the key that this data directory was set up with; allowed: that key alone');
}

function derivePassword(kek: Uint8Array): string {
  return hex(new Uint8Array(hkdfSync('sha256', kek, new Uint8Array(), utf8('mono-auth/embedded-superuser'), 32)));
}

/** @throws ConfigError when the database cannot be reached, may not be changed, or is another installation's. */
export async function migrateSchema(server: RunningDatabase, secrets: DatabaseSecrets): Promise<void> {
  try {
    await migrate({ adminUrl: server.adminUrl, secrets });
  } catch (error) {
    const line = firstLine(error);
    if (line.startsWith('MONO_')) throw new ConfigError(line);
    const why = whyUnreachable(error);
    if (why) throw new ConfigError(`${server.name} ${why}`);
    const mayNot = (error as { code?: unknown }).code === insufficientPrivilege;
    throw new ConfigError(
      `${server.name}: ${line}${mayNot ? '; allowed: a login that may create roles and schemas' : ''}`,
    );
  }
}

function firstLine(error: unknown): string {
  return (error as Error).message.split('\n')[0] as string;
}
