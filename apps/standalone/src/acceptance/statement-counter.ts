import { connect, createServer, type Socket } from 'node:net';
import { createMessageReader, type PostgresMessage, stringsOf } from './postgres-messages.ts';

export interface StatementCounter {
  /** The database's URL by way of the counter. */
  readonly url: string;
  /** Statements that went to the database since the last `reset`, in their order. */
  readonly statements: readonly string[];
  reset(): void;
  close(): Promise<void>;
}

/**
 * Stands between a pool and its Postgres and reads along: whatever library speaks, no statement passes unseen. A client has
 * a statement run by Query or Parse, and once more by Execute.
 */
export async function openStatementCounter(databaseUrl: string): Promise<StatementCounter> {
  const target = new URL(databaseUrl);
  const statements: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((inner) => {
    const outer = connect(Number(target.port), target.hostname);
    const read = createMessageReader('client', (message) => readMessage(message, (text) => statements.push(text)));
    inner.on('data', read);
    for (const [from, to] of [
      [inner, outer],
      [outer, inner],
    ] as const) {
      sockets.add(from);
      from.pipe(to);
      from.on('error', () => to.destroy());
      from.on('close', () => sockets.delete(from));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const url = new URL(databaseUrl);
  url.port = String(typeof address === 'object' && address ? address.port : '');
  return {
    url: url.toString(),
    statements,
    reset: () => {
      statements.length = 0;
    },
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

function readMessage(message: PostgresMessage, found: (statement: string) => void): void {
  if (message.type === 'Q') found(stringsOf(message, 1)[0] ?? '');
  // Parse: the name of the prepared statement, then its text.
  if (message.type === 'P') found(stringsOf(message, 2)[1] ?? '');
  if (message.type === 'E') found('execute');
}
