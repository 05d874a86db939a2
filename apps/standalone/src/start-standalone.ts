import type { Config } from '@mono-auth/control-plane';
import { type Runtime, systemRuntime } from '@mono-auth/core/runtime';
import { type Database, deriveDatabaseSecrets } from '@mono-auth/database';
import { runWorker } from '@mono-auth/worker';
import type { Logger } from 'pino';
import { createAdmin } from './admin.ts';
import { kekFileOf, openDataDirectory, openKek } from './data-directory.ts';
import { migrateSchema, openDatabaseServer } from './embedded-database.ts';
import { openGrpcListener } from './grpc-listener.ts';
import { openListener, requireFree } from './listener.ts';
import { openParts, openPorts, type Started } from './processes/open-parts.ts';
import { siblingEnvironment } from './processes/sibling-environment.ts';
import { startSiblings } from './processes/start-siblings.ts';
import { type FirstOperator, seedFirstStart } from './seed/first-start.ts';

export interface Standalone {
  readonly baseUrl: string;
  /** Set when this start made the installation. */
  readonly firstOperator: FirstOperator | undefined;
  stop(): Promise<void>;
}

interface StandaloneDeps {
  readonly config: Config;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Logger;
  /** Aborted when we are asked to stop: a start under way ends at its next step. */
  readonly signal: AbortSignal;
}

/** Whoever asks for readiness asks again: a database that takes longer is none to send requests to. */
const pingMsMax = 2_000;

/**
 * Everything, in one process or in as many as were asked for: takes the ports, starts the database, migrates, composes the parts and opens. What was
 * started is stopped again, the last first, when a later part fails or the start is interrupted.
 * @throws ConfigError when a setting, a port or the database is at fault.
 */
export async function startStandalone(deps: StandaloneDeps): Promise<Standalone> {
  const started: Started = [];
  const stop = async () => {
    for (const part of started.splice(0).reverse()) {
      // A part that cannot stop must not keep the others running, the database least of all.
      await part().catch((err) => deps.log.error({ err }, 'a part could not be stopped'));
    }
  };
  try {
    return await start(deps, systemRuntime, started, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

async function start(
  deps: StandaloneDeps,
  runtime: Runtime,
  started: Started,
  stop: () => Promise<void>,
): Promise<Standalone> {
  const { config, env, log, signal } = deps;
  const onError = (err: unknown) => log.error({ err }, 'a request failed');
  const shared = config.MONO_PROCESSES > 1;
  if (shared) {
    await requireFree('MONO_LISTEN', config.MONO_LISTEN);
    await requireFree('MONO_GRPC_LISTEN', config.MONO_GRPC_LISTEN);
  }
  const edge = openListener('MONO_LISTEN', config.MONO_LISTEN, onError, { shared });
  started.push(() => edge.stop(0));
  const grpc = await openGrpcListener('MONO_GRPC_LISTEN', config.MONO_GRPC_LISTEN, { shared });
  started.push(() => grpc.stop(0));
  const admin = openListener('MONO_ADMIN_LISTEN', config.MONO_ADMIN_LISTEN, onError);
  started.push(() => admin.stop(0));
  let unready: () => Promise<string[]> = async () => ['starting'];
  const health = createAdmin({ failures: () => unready() });
  admin.serve((request) => health.fetch(request));
  const baseUrl = config.MONO_BASE_URL ?? urlOf(config.MONO_LISTEN.host, edge.port);

  const directory = openDataDirectory(config.MONO_DATA_DIR);
  const kek = openKek(env, directory, runtime);
  signal.throwIfAborted();
  const server = await openDatabaseServer(config.MONO_DATABASE_URL, directory, kek, log);
  started.push(() => server.stop());
  const secrets = deriveDatabaseSecrets(kek);
  signal.throwIfAborted();
  await migrateSchema(server, secrets);
  signal.throwIfAborted();

  const redisUrl = config.MONO_REDIS_URL;
  const ground = { config, runtime, log, kek, adminUrl: server.adminUrl, baseUrl };
  const { database, controlPlane } = await openParts(ground, started);
  const firstOperator = await seedFirstStart(
    { controlPlane, runtime, directory, signal },
    { email: config.MONO_BOOTSTRAP_EMAIL, password: config.MONO_BOOTSTRAP_PASSWORD },
  );
  const { jobs } = controlPlane;
  const worker = await runWorker({ databaseUrl: server.adminUrl, redisUrl, secrets, jobs, runtime, log });
  started.push(() => worker.stop());
  await controlPlane.tenants.warm();
  signal.throwIfAborted();

  openPorts({ edge, grpc }, { controlPlane, runtime, baseUrl, log, config, process: 1 }, started);
  const siblings = startSiblings({
    count: config.MONO_PROCESSES - 1,
    log,
    environmentOf: (number) =>
      siblingEnvironment(env, {
        ...{ number, baseUrl, adminUrl: server.adminUrl, kekFile: kekFileOf(directory) },
        listen: addressOf(config.MONO_LISTEN.host, edge.port),
        grpcListen: addressOf(config.MONO_GRPC_LISTEN.host, grpc.port),
      }),
  });
  started.push(() => siblings.stop());
  await Promise.race([siblings.ready, aborted(signal)]);
  signal.throwIfAborted();
  unready = async () => [...siblings.failures(), ...(await databaseFailures(database))];
  // Balancers hear of it before anything closes.
  started.push(async () => {
    unready = async () => ['stopping'];
  });
  return { baseUrl, firstOperator, stop };
}

async function databaseFailures(database: Database): Promise<string[]> {
  const answers = await Promise.race([database.ping(), Bun.sleep(pingMsMax).then(() => false)]);
  return answers ? [] : ['the database does not answer'];
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

function urlOf(host: string, port: number): string {
  return `http://${addressOf(host, port)}`;
}

function addressOf(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
