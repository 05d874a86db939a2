import type { Config } from '@mono-auth/control-plane';
import { systemRuntime } from '@mono-auth/core/runtime';
import { readKek } from '@mono-auth/keys';
import type { Logger } from 'pino';
import { openGrpcListener } from '../grpc-listener.ts';
import { openListener } from '../listener.ts';
import { openParts, openPorts, type Started } from './open-parts.ts';
import { readyMessage } from './start-siblings.ts';

interface SiblingDeps {
  readonly config: Config;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly number: number;
  readonly log: Logger;
}

/**
 * Another process on the ports of the first, until it is asked to stop: it serves, and leaves the database, its migrations,
 * the jobs and the health of the installation to that one.
 * @returns the exit code.
 */
export async function runSibling(deps: SiblingDeps, stopRequested: Promise<{ exitCode: number }>): Promise<number> {
  const started: Started = [];
  try {
    await start(deps, started);
    return (await stopRequested).exitCode;
  } finally {
    for (const part of started.reverse()) {
      await part().catch((err) => deps.log.error({ err }, 'a part could not be stopped'));
    }
  }
}

async function start({ config, env, number, log }: SiblingDeps, started: Started): Promise<void> {
  const { MONO_DATABASE_URL: adminUrl, MONO_BASE_URL: baseUrl } = config;
  if (adminUrl === undefined || baseUrl === undefined) throw new TypeError('no process that the first one has started');
  const runtime = systemRuntime;
  const onError = (err: unknown) => log.error({ err }, 'a request failed');
  const kek = readKek(env);
  const { controlPlane } = await openParts({ config, runtime, log, kek, adminUrl, baseUrl }, started);
  await controlPlane.tenants.warm();
  // The ports last: the system gives connections to whoever listens.
  const edge = openListener('MONO_LISTEN', config.MONO_LISTEN, onError, { shared: true });
  const grpc = await openGrpcListener('MONO_GRPC_LISTEN', config.MONO_GRPC_LISTEN, { shared: true });
  openPorts({ edge, grpc }, { controlPlane, runtime, baseUrl, log, config, process: number }, started);
  process.send?.(readyMessage);
}
