import { connect, createServer, type Socket } from 'node:net';

export interface StatementCounter {
  /** The database's URL by way of the counter. */
  readonly url: string;
  /** Statements that went to the database since the last `reset`, in their order. */
  readonly statements: readonly string[];
  reset(): void;
  close(): Promise<void>;
}

/** Types of the messages by which a client has a statement run (protocol 3.0 §54.7): Query and Parse; Execute repeats. */
const query = 'Q'.charCodeAt(0);
const parse = 'P'.charCodeAt(0);
const execute = 'E'.charCodeAt(0);

/** Stands between a pool and its Postgres and reads along: whatever library speaks, no statement passes unseen. */
export async function openStatementCounter(databaseUrl: string): Promise<StatementCounter> {
  const target = new URL(databaseUrl);
  const statements: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((inner) => {
    const outer = connect(Number(target.port), target.hostname);
    const read = createReader((statement) => statements.push(statement));
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

/** Cuts what a client sends into messages. The first has no type: it opens the session. */
function createReader(found: (statement: string) => void): (chunk: Buffer) => void {
  let pending = Buffer.alloc(0);
  let opened = false;
  return (chunk) => {
    pending = Buffer.concat([pending, chunk]);
    for (;;) {
      const headBytes = opened ? 5 : 4;
      if (pending.length < headBytes) return;
      const length = pending.readUInt32BE(headBytes - 4) + headBytes - 4;
      if (pending.length < length) return;
      const body = pending.subarray(headBytes, length);
      if (opened) readMessage(pending[0], body, found);
      opened = true;
      pending = pending.subarray(length);
    }
  };
}

function readMessage(type: number | undefined, body: Buffer, found: (statement: string) => void): void {
  if (type === query) found(textOf(body));
  // Parse: the name of the prepared statement, then its text.
  if (type === parse) found(textOf(body.subarray(body.indexOf(0) + 1)));
  if (type === execute) found('execute');
}

function textOf(body: Buffer): string {
  const end = body.indexOf(0);
  return body.toString('utf8', 0, end < 0 ? body.length : end);
}
