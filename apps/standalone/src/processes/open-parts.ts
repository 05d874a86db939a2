import { type Config, type ControlPlane, createControlPlane } from '@mono-auth/control-plane';
import type { Runtime } from '@mono-auth/core/runtime';
import { Database, deriveDatabaseSecrets } from '@mono-auth/database';
import type { Logger } from 'pino';
import type { GrpcListener } from '../grpc-listener.ts';
import type { Listener } from '../listener.ts';
import { openEdge } from '../open-edge.ts';

/** Stops what was started, the last first. */
export type Started = (() => Promise<void>)[];

interface PartsDeps {
  readonly config: Config;
  readonly runtime: Runtime;
  readonly log: Logger;
  readonly kek: Uint8Array;
  readonly adminUrl: string;
  readonly baseUrl: string;
}

/** How long requests under way may take to be answered when we stop. */
const drainMs = 3_000;
/** Connections of each login's pool, of all processes together: Postgres admits 100 by default, and a process has five pools' worth. */
const poolSizeOfAll = 18;
const poolSizeMax = 6;

/** What every process that serves has: its connections, and the control plane on them. */
export async function openParts(
  { config, runtime, log, kek, adminUrl, baseUrl }: PartsDeps,
  started: Started,
): Promise<{ readonly database: Database; readonly controlPlane: ControlPlane }> {
  const database = new Database({
    url: adminUrl,
    secrets: deriveDatabaseSecrets(kek),
    poolSize: Math.min(poolSizeMax, Math.floor(poolSizeOfAll / config.MONO_PROCESSES)),
    onBackgroundError: (err) => log.warn({ err }, 'database'),
  });
  started.push(() => database.close());
  const controlPlane = await createControlPlane({
    ...{ database, runtime, kek, baseUrl, log, redisUrl: config.MONO_REDIS_URL },
    clientCertificates: config.MONO_CLIENT_CERT_HEADER !== undefined,
  });
  started.push(() => controlPlane.close());
  return { database, controlPlane };
}

/** Opens both ports. The last to open is the first to close: nobody is answered by half a server. */
export function openPorts(
  { edge, grpc }: { readonly edge: Listener; readonly grpc: GrpcListener },
  deps: Parameters<typeof openEdge>[2],
  started: Started,
): void {
  const revocations = openEdge(edge, grpc, deps);
  started.push(async () => {
    // Before the streams that it follows: it would only begin them anew.
    await Promise.race([revocations.close(), Bun.sleep(drainMs)]);
    deps.controlPlane.endStreams();
    await Promise.all([edge.stop(drainMs), grpc.stop(drainMs)]);
  });
}
