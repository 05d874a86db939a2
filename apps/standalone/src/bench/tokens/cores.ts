import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/** Where the measured server and the load generator run, each alone on a core where the machine lets us. */
export interface Cores {
  readonly server: readonly string[];
  readonly generator: readonly string[];
  /** For the two processes of one server: the second is where the generator is, unless there is a third core for that. */
  readonly twoServers: readonly string[];
  /** How it is, in words for the report. */
  readonly described: string;
}

/** The server on core 0 and the generator on core 1; PostgreSQL is pinned nowhere and shares both. */
export function chooseCores(): Cores {
  const unpinned = (why: string) => ({
    server: [],
    generator: [],
    twoServers: [],
    described: `nothing is pinned: ${why}`,
  });
  if (availableParallelism() < 2) return unpinned('this machine has one core');
  try {
    execFileSync('taskset', ['-c', '0', 'true'], { stdio: 'ignore' });
  } catch {
    return unpinned('there is no taskset');
  }
  const generatorCore = availableParallelism() > 2 ? 2 : 1;
  const on = (cores: string) => ['taskset', '-c', cores];
  return {
    ...{ server: on('0'), twoServers: on('0,1'), generator: on(String(generatorCore)) },
    described: `server on core 0, load generator on core ${generatorCore}, PostgreSQL unpinned`,
  };
}

/** Resident memory of a process, MiB. */
export function residentMiB(pid: number): number {
  return Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' })) / 1_024;
}

/** Linux counts a process's time in ticks of 10 ms (`sysconf(_SC_CLK_TCK)`, 100 on every architecture that it serves). */
const tickMs = 10;

/** Processor time that a process has used, milliseconds; undefined where there is no /proc. */
export function usedCpuMs(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in brackets may hold spaces: the fields are counted from its end (proc(5): utime is 14, stime 15).
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * tickMs;
  } catch {
    return undefined;
  }
}
