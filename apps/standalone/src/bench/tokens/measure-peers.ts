import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { hex } from '@mono-auth/core/encoding';
import { systemRuntime as runtime } from '@mono-auth/core/runtime';
import { startEmbeddedPostgres } from '@mono-auth/database';
import type { StartOptions } from '../child-program.ts';
import type { Contestant } from './contestant.ts';
import { type Peer, startBetterAuth, startOidcProvider } from './peer-rows.ts';
import { makeDirectory } from './traversable-directory.ts';

/** Starts the peers, each in a process of its own and with a PostgreSQL of their own, for as long as `measure` takes. */
export async function withPeers<T>(
  start: StartOptions,
  measure: (rows: readonly Contestant[]) => Promise<T>,
): Promise<T> {
  const directory = makeDirectory('peers');
  const postgres = await startEmbeddedPostgres({
    dataDir: join(directory, 'postgres'),
    superuserPassword: hex(runtime.randomBytes(16)),
    log: () => {},
  });
  const peers: Peer[] = [];
  try {
    peers.push(await startOidcProvider(start));
    peers.push(await startBetterAuth(start, postgres.adminUrl));
    return await measure(peers.flatMap(({ rows }) => rows));
  } finally {
    await Promise.all(peers.map((peer) => peer.process.end()));
    await postgres.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}
