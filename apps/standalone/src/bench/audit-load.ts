import { systemRuntime } from '@mono-auth/core/runtime';

/** What one kind of work did, over all of its rounds. */
export interface Measured {
  operations: number;
  elapsedMs: number;
  readonly latenciesMs: number[];
}

/** A closed loop: each caller begins its next operation when the one before is answered, until the round is over. */
export async function runRound(into: Measured, callers: number, roundMs: number, operation: () => Promise<unknown>) {
  const started = systemRuntime.monotonicMs();
  const end = started + roundMs;
  const caller = async () => {
    for (let begun = started; begun < end; ) {
      await operation();
      const answered = systemRuntime.monotonicMs();
      into.latenciesMs.push(answered - begun);
      begun = answered;
    }
  };
  const before = into.latenciesMs.length;
  await Promise.all(Array.from({ length: callers }, caller));
  into.operations += into.latenciesMs.length - before;
  into.elapsedMs += systemRuntime.monotonicMs() - started;
}

export function perSecond({ operations, elapsedMs }: Measured): number {
  return (operations / elapsedMs) * 1_000;
}

/** The latency that `part` of the operations did not exceed, milliseconds. */
export function percentile({ latenciesMs }: Measured, part: number): number {
  const sorted = Float64Array.from(latenciesMs).sort();
  return sorted[Math.min(Math.floor(sorted.length * part), sorted.length - 1)] ?? Number.NaN;
}

/** Lends each of `things` to one user at a time; whoever finds none waits in line. */
export function lend<T>(things: readonly T[]): <R>(use: (thing: T) => Promise<R>) => Promise<R> {
  const free = [...things];
  const line: ((thing: T) => void)[] = [];
  return async (use) => {
    const thing = free.pop() ?? (await new Promise<T>((resolve) => line.push(resolve)));
    try {
      return await use(thing);
    } finally {
      const next = line.shift();
      if (next) next(thing);
      else free.push(thing);
    }
  };
}
