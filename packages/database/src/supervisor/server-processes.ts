import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { systemRuntime } from '@mono-auth/core/runtime';
import type { Placement } from './placement.ts';
import { runCommand } from './run-command.ts';
import { SupervisorError } from './supervisor-error.ts';

/**
 * Every process of a server works in its data directory. Only its own account may always ask that: root in a
 * container is often not allowed to (CAP_SYS_PTRACE, proc_pid_cwd(5)), and "cannot see it" must never be taken for
 * "has ended", so the shell first proves that it can see its own.
 */
const listProcessesIn = `[ /proc/self/cwd -ef / ] || exit 1
for process in /proc/[0-9]*; do [ "$process/cwd" -ef "$1" ] && echo "\${process#/proc/}"; done
exit 0`;

/** One pass over /proc without a fork takes milliseconds. */
const listTimeoutMs = 10_000;

/** A server process told to quit does so at its next system call; one that does not is killed after these. */
const politeRounds = 20;
const roundsMax = 100;
const roundMs = 50;

/** The living processes of the server of this cluster (elsewhere than on Linux: its postmaster, if that lives). */
export async function serverProcesses(placement: Placement): Promise<number[]> {
  const { account, clusterDir } = placement;
  if (process.platform === 'linux') {
    const { code, output } = await runCommand(
      account,
      '/bin/sh',
      ['-c', listProcessesIn, 'sh', clusterDir],
      listTimeoutMs,
    );
    if (code !== 0) throw new SupervisorError(`cannot tell from /proc whether PostgreSQL runs in ${clusterDir}`);
    return output.split('\n').filter(Boolean).map(Number);
  }
  const pid = readPostmasterFile(clusterDir)?.pid;
  if (pid === undefined) return [];
  const { output } = await runCommand(account, '/bin/ps', ['-o', 'command=', '-p', String(pid)], listTimeoutMs);
  return output.includes(clusterDir) ? [pid] : [];
}

export interface PostmasterFile {
  readonly pid: number;
  readonly port: number;
}

/** `postmaster.pid`: pid, data directory, start time, port, … a line each. */
export function readPostmasterFile(clusterDir: string): PostmasterFile | undefined {
  try {
    const lines = readFileSync(join(clusterDir, 'postmaster.pid'), 'utf8').split('\n');
    return { pid: Number(lines[0]), port: Number(lines[3]) };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Clears up after a postmaster that was killed. To be called only when it is dead and we hold the data directory.
 *
 * Its server processes may live on: a busy one notices late, and it can still write. They are ended first; the
 * write-ahead log makes good whatever they were doing. Only then `postmaster.pid` may go, which PostgreSQL itself does
 * unless the pid in it exists: given to another program, or a zombie that no init process has collected.
 */
export async function clearAfterDeadPostmaster(placement: Placement): Promise<void> {
  // Without /proc nobody can say who is left: PostgreSQL's own check of its shared memory decides then.
  if (process.platform !== 'linux') return;
  const stale = readPostmasterFile(placement.clusterDir);
  for (let round = 0; ; round++) {
    const left = await serverProcesses(placement);
    if (left.length === 0) break;
    if (round === roundsMax) throw new SupervisorError(`PostgreSQL processes ${left.join(', ')} cannot be ended`);
    for (const pid of left) end(pid, round < politeRounds ? 'SIGQUIT' : 'SIGKILL');
    await systemRuntime.sleep(roundMs);
  }
  // A start that its owner did not live to see may have made a file of its own in the meantime: that one stays.
  const same = stale !== undefined && readPostmasterFile(placement.clusterDir)?.pid === stale.pid;
  if (same && exists(stale.pid)) rmSync(join(placement.clusterDir, 'postmaster.pid'), { force: true });
}

function exists(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function end(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    // It may end by itself between the look and the signal.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
