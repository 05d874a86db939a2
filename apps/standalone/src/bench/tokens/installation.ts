import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { base64url, hex } from '@mono-auth/core/encoding';
import { systemRuntime as runtime } from '@mono-auth/core/runtime';
import { Database, deriveDatabaseSecrets, startEmbeddedPostgres } from '@mono-auth/database';
import { createTenantDirectory, type Tenant } from '@mono-auth/tenants';
import { freePort } from '../../crash/free-port.ts';
import { type ChildProgram, type StartOptions, startProgram } from '../child-program.ts';
import { makeDirectory } from './traversable-directory.ts';

/** An installation of ours with a PostgreSQL that makes everything durable; its server is a process that comes and goes. */
export interface Installation {
  readonly baseUrl: string;
  /** Removed with it. */
  readonly directory: string;
  readonly kek: Uint8Array;
  readonly database: Database;
  readonly operator: { readonly email: string; readonly password: string };
  /** Starts the server, whole as it is served, and waits until it is. @throws Error with what it says where it refuses. */
  serve(start: StartOptions, settings?: Readonly<Record<string, string>>): Promise<ChildProgram>;
  /** The tenant that the first start makes. */
  firstTenant(): Promise<Tenant>;
  /** Ends its server first, where that still runs. */
  remove(): Promise<void>;
}

const kekBytes = 32;

export async function openInstallation(): Promise<Installation> {
  const directory = makeDirectory('tokens');
  // Started here, not by the server: it would inherit the server's one core.
  const postgres = await startEmbeddedPostgres({
    dataDir: join(directory, 'postgres'),
    superuserPassword: hex(runtime.randomBytes(16)),
    log: () => {},
  });
  const kek = runtime.randomBytes(kekBytes);
  const operator = { email: 'operator@mono.localhost', password: base64url(runtime.randomBytes(24)) };
  const listen = `127.0.0.1:${await freePort()}`;
  const baseUrl = `http://${listen}`;
  const env = {
    ...{ MONO_LISTEN: listen, MONO_ADMIN_LISTEN: '127.0.0.1:0', MONO_GRPC_LISTEN: '127.0.0.1:0' },
    ...{ MONO_BASE_URL: '', MONO_REDIS_URL: '', MONO_KEK_FILE: '', MONO_KEK: base64url(kek) },
    ...{ MONO_DATA_DIR: join(directory, 'state'), MONO_DATABASE_URL: postgres.adminUrl },
    ...{ MONO_BOOTSTRAP_EMAIL: operator.email, MONO_BOOTSTRAP_PASSWORD: operator.password },
  };
  const database = new Database({ url: postgres.adminUrl, secrets: deriveDatabaseSecrets(kek) });
  let firstSlug = '';
  let running: ChildProgram | undefined;
  return {
    ...{ baseUrl, directory, kek, database, operator },
    async serve(start, settings = {}) {
      const server = startProgram('../main.ts', { ...env, ...settings }, { quiet: true, ...start });
      running = server;
      while (!(await server.line()).startsWith('Mono-Auth serves on')) {}
      // The first start alone says where to sign in.
      firstSlug ||= /\/t\/([^/]+)\//.exec(await server.line())?.[1] ?? '';
      return server;
    },
    async firstTenant() {
      const tenant = await createTenantDirectory({ database, runtime, baseUrl }).bySlug(firstSlug);
      if (!tenant) throw new Error('the first start has not told its tenant');
      return tenant;
    },
    async remove() {
      await running?.end();
      await database.close();
      await postgres.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
