import { spawn } from 'node:child_process';
import type { Account } from './account.ts';

export interface CommandResult {
  /** Exit code; -1 when a signal ended it (also ours, at the time limit). */
  readonly code: number;
  /** The last of stdout and stderr together. */
  readonly output: string;
}

/** Enough for the last error of initdb or pg_ctl. */
const outputCharsMax = 16_384;

/**
 * Runs a program in a session of its own, so that a terminal's Ctrl-C (which goes to a whole process group) reaches
 * us alone: the database is stopped by us and after everything that uses it. Nothing of our environment is passed on:
 * a PGPORT or PGDATA of the user is not meant for this server.
 */
export function runCommand(
  account: Account | undefined,
  command: string,
  args: readonly string[],
  timeoutMs: number,
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      ...account,
      cwd: '/',
      env: { PATH: '/usr/bin:/bin:/usr/sbin:/sbin', LC_ALL: 'C' },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    const collect = (chunk: Buffer): void => {
      output = (output + chunk.toString()).slice(-outputCharsMax);
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
    child.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve({ code: code ?? -1, output: output.trim() });
    });
  });
}

/** True when the account can walk through this directory. */
export function canEnter(account: Account | undefined, directory: string): Promise<boolean> {
  return holdsFor(account, 'test -x "$1"', directory);
}

/** True when the account can run this program. */
export function canExecute(account: Account | undefined, program: string): Promise<boolean> {
  return holdsFor(account, 'test -r "$1" -a -x "$1"', program);
}

/** One `test` in a shell; only a hanging mount takes longer. */
const probeTimeoutMs = 10_000;

/** Asking the kernel as that account is the only answer that is right with ACLs, mounts and capabilities too. */
async function holdsFor(account: Account | undefined, condition: string, path: string): Promise<boolean> {
  if (!account) return true;
  const { code } = await runCommand(account, '/bin/sh', ['-c', condition, 'sh', path], probeTimeoutMs);
  return code === 0;
}
