import type { ChildProgram } from '../child-program.ts';
import type { Contestant } from './contestant.ts';
import { residentMiB, usedCpuMs } from './cores.ts';
import type { LoadResult, LoadTask } from './load-task.ts';
import { proveToken } from './prove-token.ts';

export interface Schedule {
  readonly rounds: number;
  readonly roundMs: number;
  readonly warmUpMs: number;
  readonly connections: number;
}

/** A row as measured: medians of its rounds. */
export interface Figures {
  readonly name: string;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of every round, in their order. */
  readonly perSecondOfRounds: readonly number[];
  readonly answered: number;
  /** Of one core that the server used; below 90 % something else set the limit. */
  readonly cpuPercent: number | undefined;
  /** Tokens for a second of the server's own processor time: what a machine with other work does not change. */
  readonly perCpuSecond: number | undefined;
  readonly rssMiB: number;
}

interface RoundFigures extends LoadResult {
  readonly cpuMs: number | undefined;
  readonly rssMiB: number;
}

/** Assertions are signed before a round for the fastest that the row has been, and this much more. */
const spare = 1.5;
/** Longest time for a first lap, milliseconds: a hundred thousand clients at a few hundred a second. */
const lapMsMax = 600_000;
/** Before a row has been measured: more than any server of one core has answered. */
const firstGuessPerSecond = 4_000;

/**
 * Warms every row up and proves a token of each, then measures them in turn, so that a slow moment of the machine meets all
 * of them.
 * @throws Error when one answer was not good, or a token is not what was asked for.
 */
export async function measureRows(
  rows: readonly Contestant[],
  generator: ChildProgram,
  schedule: Schedule,
): Promise<Figures[]> {
  const measured = new Map<Contestant, RoundFigures[]>(rows.map((row) => [row, []]));
  const fastest = new Map<Contestant, number>();
  const run = async (row: Contestant, roundMs: number): Promise<RoundFigures> => {
    const perSecond = (fastest.get(row) ?? firstGuessPerSecond) * spare;
    const result = await runRound(row, generator, { ...schedule, roundMs }, Math.ceil((perSecond * roundMs) / 1_000));
    fastest.set(row, Math.max(fastest.get(row) ?? 0, perSecondOf(result)));
    return result;
  };
  for (const row of rows) if (row.firstLap) await runRound(row, generator, { ...schedule, roundMs: lapMsMax }, 0, true);
  for (const row of rows) await proveToken(row, (await run(row, schedule.warmUpMs)).sample);
  for (let round = 0; round < schedule.rounds; round++) {
    for (const row of rows) measured.get(row)?.push(await run(row, schedule.roundMs));
  }
  return rows.map((row) => figuresOf(row.name, measured.get(row) ?? []));
}

/** @throws Error when one answer was not good: a server that refuses quickly would look fast. */
async function runRound(
  row: Contestant,
  generator: ChildProgram,
  { connections, roundMs }: Pick<Schedule, 'connections' | 'roundMs'>,
  expected: number,
  once = false,
): Promise<RoundFigures> {
  const load = await row.prepare(expected);
  const { hostname: host, port } = row.server.url;
  const task: LoadTask = { host, port: Number(port), connections, roundMs, ...load, ...(once && { once }) };
  const before = usedCpuMs(row.server.pid);
  generator.say(JSON.stringify(task));
  const result = JSON.parse(await generator.line()) as LoadResult;
  const after = usedCpuMs(row.server.pid);
  if (result.failures > 0 || result.answered === 0) {
    throw new Error(`${row.name}: ${result.failures} failures, the first: ${result.firstFailure}`);
  }
  const cpuMs = before === undefined || after === undefined ? undefined : after - before;
  return { ...result, cpuMs, rssMiB: residentMiB(row.server.pid) };
}

function perSecondOf({ answered, elapsedMs }: LoadResult): number {
  return (answered / elapsedMs) * 1_000;
}

function figuresOf(name: string, rounds: readonly RoundFigures[]): Figures {
  const of = (read: (round: RoundFigures) => number) => median(rounds.map(read));
  const counted = rounds.every(({ cpuMs }) => cpuMs !== undefined);
  return {
    name,
    perSecond: of(perSecondOf),
    p50Ms: of(({ p50Ms }) => p50Ms),
    p99Ms: of(({ p99Ms }) => p99Ms),
    perSecondOfRounds: rounds.map(perSecondOf),
    answered: rounds.reduce((sum, { answered }) => sum + answered, 0),
    perCpuSecond: counted ? of(({ cpuMs = 0, answered }) => (answered / cpuMs) * 1_000) : undefined,
    cpuPercent: counted ? of(({ cpuMs = 0, elapsedMs }) => (cpuMs / elapsedMs) * 100) : undefined,
    rssMiB: rounds.at(-1)?.rssMiB ?? Number.NaN,
  };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}
