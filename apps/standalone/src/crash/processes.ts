import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** What Linux tells of processes in /proc, and their end without a chance to say anything. */

/** @returns the process that was killed. */
export function kill(pid: number | undefined): number[] {
  if (pid === undefined) return [];
  process.kill(pid, 'SIGKILL');
  return [pid];
}

/** The letter of its state: `T` when it was stopped; undefined when it has ended. */
export function stateOf(pid: number): string | undefined {
  return statOf(pid)?.state;
}

/** A zombie that nobody has collected yet is dead. */
export function isAlive(pid: number | undefined): boolean {
  const state = pid === undefined ? undefined : stateOf(pid);
  return state !== undefined && state !== 'Z' && state !== 'X';
}

export function childrenOf(parent: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && statOf(Number(name))?.parent === parent)
    .map(Number);
}

/** A database's processes that serve clients, with what PostgreSQL says they do. */
export function backendsOf(postmaster: number): { pid: number; title: string }[] {
  return childrenOf(postmaster)
    .map((pid) => ({ pid, title: titleOf(pid) }))
    .filter(({ title }) => title.startsWith('postgres: mono_'));
}

/** `postgres: login database host(port) activity`; empty when it has ended. */
export function titleOf(pid: number): string {
  return readProcess(pid, 'cmdline') ?? '';
}

/** The local TCP ports of a process. */
export function portsOf(pid: number): Set<number> {
  const sockets = new Set(linksOf(pid));
  const lines = (readProcess(pid, 'net/tcp') ?? '').split('\n').slice(1);
  // proc_pid_net(5): "sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode", addresses in hex.
  const fields = lines.map((line) => line.trim().split(/\s+/));
  const own = fields.filter(([, , , , , , , , , inode]) => sockets.has(`socket:[${inode}]`));
  return new Set(own.map(([, local = '']) => Number.parseInt(local.split(':')[1] ?? '', 16)));
}

function linksOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map((fd) => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${fd}`);
      } catch {
        return '';
      }
    });
  } catch {
    return [];
  }
}

/** proc_pid_stat(5): the name in parentheses may hold anything; state and parent follow it. */
function statOf(pid: number): { state: string; parent: number } | undefined {
  const text = readProcess(pid, 'stat');
  const [state, parent] = text?.slice(text.lastIndexOf(')') + 2).split(' ') ?? [];
  return state === undefined ? undefined : { state, parent: Number(parent) };
}

function readProcess(pid: number, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    // It has ended meanwhile.
    return undefined;
  }
}
