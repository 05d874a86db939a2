import { readFileSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Binaries } from './binaries.ts';
import { lastLine } from './cluster.ts';
import type { Placement } from './placement.ts';
import { runCommand } from './run-command.ts';
import {
  clearAfterDeadPostmaster,
  type PostmasterFile,
  readPostmasterFile,
  serverProcesses,
} from './server-processes.ts';
import { SupervisorError } from './supervisor-error.ts';

/** Recovery after a crash replays at most max_wal_size (1 GB); a slow disk reads that in a minute. */
export const startSecondsMax = 60;

/** A fast stop rolls back and writes a checkpoint of what shared_buffers holds. */
const stopSecondsMax = 60;

/** A log beyond this starts anew at the next start; the one before it is kept. */
const logBytesMax = 10 * 1024 * 1024;

/** What a start found in the way. */
export type StartOutcome = 'started' | 'port taken' | 'orphans';

/** What the living postmaster of this cluster says of itself; undefined when there is none. */
export async function findPostmaster(placement: Placement): Promise<PostmasterFile | undefined> {
  const file = readPostmasterFile(placement.clusterDir);
  return file && (await serverProcesses(placement)).includes(file.pid) ? file : undefined;
}

/** @throws SupervisorError with PostgreSQL's own last word when it does not start for another reason */
export async function startPostmaster(
  placement: Placement,
  binaries: Binaries,
  port: number,
  serverOptions: string,
): Promise<StartOutcome> {
  const log = join(placement.serverDir, 'server.log');
  const logged = turnLog(log);
  const { code, output } = await runCommand(
    placement.account,
    binaries.pgCtl,
    [
      'start',
      '--wait',
      `--timeout=${startSecondsMax}`,
      '--silent',
      `--pgdata=${placement.clusterDir}`,
      `--log=${log}`,
      `--options=-p ${port} ${serverOptions}`,
    ],
    (startSecondsMax + 10) * 1_000,
  );
  if (code === 0) return 'started';

  const said = readLog(log).slice(logged);
  if (/could not bind IPv4 address/.test(said)) return 'port taken';
  if (/pre-existing shared memory block/.test(said)) return 'orphans';
  const fatal = said.split('\n').findLast((line) => /FATAL|PANIC/.test(line));
  throw new SupervisorError(`PostgreSQL did not start: ${fatal ?? lastLine(output)} (log: ${log})`);
}

/** @throws SupervisorError when it still runs afterwards */
export async function stopPostmaster(placement: Placement, binaries: Binaries): Promise<void> {
  const { output } = await runCommand(
    placement.account,
    binaries.pgCtl,
    ['stop', '--wait', '--mode=fast', `--timeout=${stopSecondsMax}`, '--silent', `--pgdata=${placement.clusterDir}`],
    (stopSecondsMax + 10) * 1_000,
  );
  const left = await findPostmaster(placement);
  if (left) throw new SupervisorError(`PostgreSQL (process ${left.pid}) did not stop: ${lastLine(output)}`);
  await clearAfterDeadPostmaster(placement);
}

/** @returns how many characters of the log are older than this start */
function turnLog(log: string): number {
  const size = statSync(log, { throwIfNoEntry: false })?.size ?? 0;
  if (size <= logBytesMax) return readLog(log).length;
  renameSync(log, `${log}.1`);
  return 0;
}

function readLog(log: string): string {
  try {
    return readFileSync(log, 'utf8');
  } catch {
    return '';
  }
}
