import { mkdirSync, readFileSync, realpathSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { systemRuntime } from '@mono-auth/core/runtime';
import { type Binaries, findBinaries } from './binaries.ts';
import { createCluster, superuser } from './cluster.ts';
import { lockDataDirectory } from './data-directory-lock.ts';
import { keepRunning } from './keep-running.ts';
import { type Placement, placeServer } from './placement.ts';
import { findPostmaster, startPostmaster, startSecondsMax, stopPostmaster } from './postmaster.ts';
import { probeServer } from './probe-server.ts';
import { serverOptions } from './server-options.ts';
import { clearAfterDeadPostmaster } from './server-processes.ts';
import { SupervisorError } from './supervisor-error.ts';
import { writeWhole } from './write-whole.ts';

export interface EmbeddedPostgres {
  readonly port: number;
  /** `postgres://mono_admin:…@127.0.0.1:port/postgres` */
  readonly adminUrl: string;
  /** True when the server of an earlier, crashed owner was still running and has been taken over. */
  readonly adopted: boolean;
  /** Ends the server cleanly and gives the data directory back. */
  stop(): Promise<void>;
}

export interface EmbeddedOptions {
  /** Created when missing; for one owner at a time. */
  dataDir: string;
  /** Set when the cluster is made; must be the same ever after. */
  superuserPassword: string;
  /** 0 or absent: a free one, remembered for the next start. */
  port?: number;
  /** Server parameters, e.g. `fsync=off` for tests. */
  settings?: Record<string, string>;
  log: (line: string) => void;
  /** Told what happens to a running server without us; `log` when absent. */
  warn?: (line: string) => void;
}

/** What the last start chose, so that the next one can choose it again or see that it differs. */
interface Remembered {
  readonly port: number;
  readonly serverOptions: string;
}

const probeIntervalMs = 100;

/** Another program may take a free port between our look and PostgreSQL's; orphans may take a second to end. */
const startAttemptsMax = 20;
const startRetryMs = 250;

/** @throws SupervisorError */
export async function startEmbeddedPostgres(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  try {
    return await start(options);
  } catch (error) {
    if (error instanceof SupervisorError) throw error;
    throw new SupervisorError(`embedded PostgreSQL in ${options.dataDir}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

async function start(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  // initdb takes the first line of a file for the password.
  if (!/^[^\0\r\n]+$/.test(options.superuserPassword)) {
    throw new SupervisorError('the superuser password of the embedded PostgreSQL must be one line that is not empty');
  }
  mkdirSync(options.dataDir, { recursive: true });
  const dataDir = realpathSync(options.dataDir);
  const lock = lockDataDirectory(dataDir);
  try {
    const placement = await placeServer(dataDir);
    const binaries = await findBinaries(placement.account);
    const sync = options.settings?.fsync !== 'off';
    await createCluster(placement, binaries, options.superuserPassword, sync);
    const wanted = serverOptions(options.settings ?? {});
    const adoptedPort = await adopt(placement, binaries, options, dataDir, wanted);
    const port = adoptedPort ?? (await startServer(placement, binaries, options, dataDir, wanted));
    options.log(
      `PostgreSQL ${adoptedPort ? 'adopted' : 'started'} on 127.0.0.1:${port}, files in ${placement.serverDir}`,
    );

    // Clients know the port: a server that is started again must come back on it.
    const startAgain = async () => {
      if (await findPostmaster(placement)) return;
      await startServer(placement, binaries, { ...options, port }, dataDir, wanted);
    };
    const keeper = keepRunning(placement, startAgain, options.warn ?? options.log);
    let stopped: Promise<void> | undefined;
    const stop = async (): Promise<void> => {
      await keeper.stop();
      await stopPostmaster(placement, binaries);
      lock.release();
      options.log('PostgreSQL stopped');
    };
    return {
      port,
      adminUrl: `postgres://${superuser}:${encodeURIComponent(options.superuserPassword)}@127.0.0.1:${port}/postgres`,
      adopted: adoptedPort !== undefined,
      stop: () => {
        stopped ??= stop();
        return stopped;
      },
    };
  } catch (error) {
    lock.release();
    throw error;
  }
}

/**
 * The port of the living server of this data directory, when it runs as wanted; one that runs differently is stopped.
 * @throws SupervisorError when it lives and does not answer
 */
async function adopt(
  placement: Placement,
  binaries: Binaries,
  options: EmbeddedOptions,
  dataDir: string,
  wanted: string,
): Promise<number | undefined> {
  for (let waitedMs = 0; waitedMs < startSecondsMax * 1_000; waitedMs += probeIntervalMs) {
    const living = await findPostmaster(placement);
    if (!living) return undefined;
    const remembered = recall(dataDir);
    if (remembered?.serverOptions !== wanted || (options.port && options.port !== living.port)) {
      await stopPostmaster(placement, binaries);
      return undefined;
    }
    if (await probeServer(living.port, options.superuserPassword, placement.clusterDir)) return living.port;
    await systemRuntime.sleep(probeIntervalMs);
  }
  throw new SupervisorError(`PostgreSQL in ${placement.clusterDir} runs and does not answer`);
}

async function startServer(
  placement: Placement,
  binaries: Binaries,
  options: EmbeddedOptions,
  dataDir: string,
  wanted: string,
): Promise<number> {
  let port = options.port || recall(dataDir)?.port || (await freePort());
  await clearAfterDeadPostmaster(placement);
  for (let attempt = 0; attempt < startAttemptsMax; attempt++) {
    // Written first: a server that outlives a crash right here must be found with what it was started with.
    writeWhole(
      join(dataDir, 'last-start.json'),
      `${JSON.stringify({ port, serverOptions: wanted } satisfies Remembered)}\n`,
    );
    const outcome = await startPostmaster(placement, binaries, port, wanted);
    if (outcome === 'started') {
      await askStarted(placement, binaries, port, options.superuserPassword);
      return port;
    }
    if (outcome === 'orphans') {
      await systemRuntime.sleep(startRetryMs);
    } else if (options.port) {
      throw new SupervisorError(`port ${options.port} for PostgreSQL is taken: free it, or choose another`);
    } else {
      port = await freePort();
    }
  }
  throw new SupervisorError(`PostgreSQL in ${dataDir} did not start in ${startAttemptsMax} attempts`);
}

/** A server that we have started and cannot use must not stay behind. */
async function askStarted(placement: Placement, binaries: Binaries, port: number, password: string): Promise<void> {
  try {
    if (await probeServer(port, password, placement.clusterDir)) return;
    throw new SupervisorError(`PostgreSQL started on port ${port} and does not answer there`);
  } catch (error) {
    await stopPostmaster(placement, binaries);
    throw error;
  }
}

function recall(dataDir: string): Remembered | undefined {
  try {
    return JSON.parse(readFileSync(join(dataDir, 'last-start.json'), 'utf8')) as Remembered;
  } catch {
    // Lost or damaged, it costs another port or a restart, nothing more.
    return undefined;
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve((address as { port: number }).port));
    });
  });
}
