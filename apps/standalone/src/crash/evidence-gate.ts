import { connect, createServer, type Socket } from 'node:net';
import { createMessageReader, type PostgresMessage, stringsOf } from '../acceptance/postgres-messages.ts';

/**
 * Where the evidence of a decision is stopped: before anything of it is sent; when its statement was sent and its commit was
 * not (Sync is what commits); when it is committed and nobody was told.
 */
export type GatePoint = 'unsent' | 'uncommitted' | 'committed';

/** Stands between a server and its Postgres and stops at one step of one statement. Everything else passes. */
export interface EvidenceGate {
  /** The database's URL by way of the gate. */
  readonly url: string;
  /** Resolves when the next evidence of an event of this type has come to the point. From there on its connection is stopped. */
  reach(point: GatePoint, eventType: string): Promise<void>;
  /** Hands over what the database has answered meanwhile; resolves when the system has it. */
  pass(): Promise<void>;
  close(): Promise<void>;
}

interface Trap {
  readonly point: GatePoint;
  readonly eventType: string;
  readonly reached: () => void;
}

/** One connection, by the messages of both sides. */
class GatedConnection {
  readonly inner: Socket;
  readonly outer: Socket;
  readonly #texts = new Map<string, string>();
  readonly #answers: Buffer[] = [];
  /** Gives away the trap that is set, to the connection whose evidence comes into it. */
  readonly #next: (message: PostgresMessage, text: string) => Trap | undefined;
  #trap: Trap | undefined;
  #stopped = false;
  #answersStopped = false;

  constructor(inner: Socket, outer: Socket, next: (message: PostgresMessage, text: string) => Trap | undefined) {
    this.inner = inner;
    this.outer = outer;
    this.#next = next;
    const ask = createMessageReader('client', (message) => this.#ask(message));
    const answer = createMessageReader('server', (message) => this.#answer(message));
    inner.on('data', ask);
    outer.on('data', answer);
    for (const [from, to] of [
      [inner, outer],
      [outer, inner],
    ] as const) {
      from.on('error', () => to.destroy());
      from.on('close', () => to.destroy());
    }
  }

  async pass(): Promise<void> {
    const answers = Buffer.concat(this.#answers.splice(0));
    this.#answersStopped = false;
    this.#trap = undefined;
    if (answers.length > 0) await new Promise<void>((resolve) => this.inner.write(answers, () => resolve()));
  }

  #textOf(message: PostgresMessage): string {
    if (message.type === 'P') {
      const [name = '', text = ''] = stringsOf(message, 2);
      this.#texts.set(name, text);
    }
    // Bind: the portal, then the statement.
    return message.type === 'B' ? (this.#texts.get(stringsOf(message, 2)[1] ?? '') ?? '') : '';
  }

  #ask(message: PostgresMessage): void {
    this.#trap ??= this.#next(message, this.#textOf(message));
    const { point } = this.#trap ?? {};
    const isHere = (point === 'unsent' && message.type === 'B') || (point === 'uncommitted' && message.type === 'S');
    if (isHere && !this.#stopped) {
      this.#stopped = true;
      this.#trap?.reached();
    }
    if (this.#stopped) return;
    if (point === 'committed' && message.type === 'S') this.#answersStopped = true;
    this.outer.write(message.whole);
  }

  #answer(message: PostgresMessage): void {
    if (!this.#answersStopped) {
      this.inner.write(message.whole);
      return;
    }
    this.#answers.push(message.whole);
    // ReadyForQuery: the transaction has ended.
    if (message.type === 'Z') this.#trap?.reached();
  }
}

export async function openEvidenceGate(databaseUrl: string): Promise<EvidenceGate> {
  const target = new URL(databaseUrl);
  const connections = new Set<GatedConnection>();
  let trap: Trap | undefined;
  const next = (message: PostgresMessage, text: string): Trap | undefined => {
    if (!trap || !text.includes('mono.audit_events') || !message.body.includes(trap.eventType)) return undefined;
    const sprung = trap;
    trap = undefined;
    return sprung;
  };
  const server = createServer((inner) => {
    const connection = new GatedConnection(inner, connect(Number(target.port), target.hostname), next);
    connections.add(connection);
    inner.on('close', () => connections.delete(connection));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const url = new URL(databaseUrl);
  url.port = String(typeof address === 'object' && address ? address.port : '');
  return {
    url: url.toString(),
    reach: (point, eventType) =>
      new Promise((reached) => {
        trap = { point, eventType, reached };
      }),
    pass: async () => {
      await Promise.all([...connections].map((connection) => connection.pass()));
    },
    close: () =>
      new Promise((resolve) => {
        for (const { inner, outer } of connections) for (const socket of [inner, outer]) socket.destroy();
        server.close(() => resolve());
      }),
  };
}
