import { systemRuntime as runtime } from '@mono-auth/core/runtime';
import type { Socket } from 'bun';
import { readAnswer } from './http-answer.ts';
import type { LoadResult } from './load-task.ts';

export interface Round {
  readonly host: string;
  readonly port: number;
  readonly connections: number;
  readonly roundMs: number;
  /** The next request as it goes over the wire; undefined when there are no more. */
  next(): Uint8Array | undefined;
}

/** A failed answer is quoted this far, characters. */
const quotedChars = 600;

interface Tally {
  readonly latenciesMs: number[];
  failures: number;
  firstFailure: string | undefined;
}

/**
 * A closed loop on raw sockets: each connection sends its next request when the one before is answered, until the round is
 * over. It does as little for each as can be done, so that the core that it shares with the database is not what is measured.
 */
export async function runConnections(round: Round): Promise<LoadResult> {
  const tally: Tally = { latenciesMs: [], failures: 0, firstFailure: undefined };
  const lanes = Array.from({ length: round.connections }, () => new Lane(round, tally));
  await Promise.all(lanes.map((lane) => lane.open()));
  const startedMs = runtime.monotonicMs();
  await Promise.all(lanes.map((lane) => lane.run(startedMs + round.roundMs)));
  const elapsedMs = runtime.monotonicMs() - startedMs;
  for (const lane of lanes) lane.close();
  const sorted = Float64Array.from(tally.latenciesMs).sort();
  const at = (part: number) => sorted[Math.min(Math.floor(sorted.length * part), sorted.length - 1)] ?? Number.NaN;
  return {
    answered: sorted.length,
    elapsedMs,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    failures: tally.failures,
    firstFailure: tally.firstFailure,
    sample: lanes.find((lane) => lane.sample !== '')?.sample ?? '',
  };
}

/** One connection that is kept alive. */
class Lane {
  sample = '';
  readonly #round: Round;
  readonly #tally: Tally;
  readonly #done = Promise.withResolvers<void>();
  #socket: Socket | undefined;
  #received = '';
  #sentMs = 0;
  #endMs = 0;
  #over = false;

  constructor(round: Round, tally: Tally) {
    this.#round = round;
    this.#tally = tally;
  }

  async open(): Promise<void> {
    const { host, port } = this.#round;
    this.#socket = await Bun.connect({
      hostname: host,
      port,
      socket: {
        data: (_, chunk) => this.#take(chunk),
        close: () => this.#break('the connection was closed'),
        error: (_, error) => this.#break(error.message),
      },
    });
    this.#socket.setNoDelay(true);
  }

  run(endMs: number): Promise<void> {
    this.#endMs = endMs;
    this.#send(runtime.monotonicMs());
    return this.#done.promise;
  }

  close(): void {
    this.#over = true;
    this.#socket?.end();
  }

  #send(nowMs: number): void {
    const bytes = nowMs < this.#endMs ? this.#round.next() : undefined;
    if (bytes === undefined) {
      this.#finish();
      return;
    }
    this.#received = '';
    this.#sentMs = nowMs;
    const written = this.#socket?.write(bytes);
    if (written !== bytes.length) this.#break(`${written} of ${bytes.length} bytes were written`);
  }

  #take(chunk: Uint8Array): void {
    this.#received += Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString('latin1');
    const answer = readAnswer(this.#received);
    if (answer === undefined) return;
    const nowMs = runtime.monotonicMs();
    if (answer.status < 200 || answer.status > 299) {
      this.#break(this.#received.slice(0, quotedChars));
      return;
    }
    this.#tally.latenciesMs.push(nowMs - this.#sentMs);
    this.sample = answer.body;
    this.#send(nowMs);
  }

  #break(why: string): void {
    if (this.#over) return;
    this.#tally.failures++;
    this.#tally.firstFailure ??= why;
    this.#finish();
  }

  #finish(): void {
    this.#over = true;
    this.#done.resolve();
  }
}
