import { concatBytes, textOf, utf8 } from '@mono-auth/core/encoding';

/** One answer of HTTP/1.1 whose body is chunked (RFC 9112 §7.1), read on a socket of its own. */
export interface RawWatch {
  /** Ends the connection. */
  close(): Promise<void>;
}

const headEnd = '\r\n\r\n';

/**
 * Asks for a stream of Connect messages and hands each over as it comes: as little work as a reader can have, because all
 * readers of a bench share one process, and their work would be measured as the server's.
 * @throws Error when the answer is not 200, or not chunked.
 */
export async function openRawWatch(
  url: string,
  headers: Readonly<Record<string, string>>,
  message: Uint8Array,
  take: (message: Uint8Array) => void,
): Promise<RawWatch> {
  const { hostname, port, pathname, host } = new URL(url);
  const closed = Promise.withResolvers<void>();
  const answered = Promise.withResolvers<void>();
  const messages = new Framed(messageSize, (frame) => take(frame.subarray(5)));
  const chunks = new Framed(chunkSize, (chunk) => messages.push(chunk.subarray(lineEnd(chunk), -2)));
  let head = '';
  let answering = false;
  const read = (bytes: Uint8Array): void => {
    if (answering) {
      chunks.push(bytes);
      return;
    }
    // The head is ASCII, so characters are bytes.
    const length = head.length;
    head += Buffer.from(bytes).toString('latin1');
    const end = head.indexOf(headEnd);
    if (end < 0) return;
    answering = true;
    if (/^HTTP\/1.1 200 /.test(head) && /\r\ntransfer-encoding: chunked\r\n/i.test(head)) answered.resolve();
    else answered.reject(new Error(head.slice(0, end)));
    chunks.push(bytes.subarray(end + headEnd.length - length));
  };
  const socket = await Bun.connect({
    hostname,
    port: Number(port),
    socket: {
      // Bun reads the next bytes into the same place.
      data: (_, bytes) => read(new Uint8Array(bytes)),
      error: (_, error) => answered.reject(error),
      close: () => {
        answered.reject(new Error('the connection was closed'));
        closed.resolve();
      },
    },
  });
  socket.setNoDelay(true);
  const lines = Object.entries({ ...headers, host, 'content-length': String(message.length + 5) });
  const request = [`POST ${pathname} HTTP/1.1`, ...lines.map(([name, value]) => `${name}: ${value}`)].join('\r\n');
  const prefix = new Uint8Array(5);
  new DataView(prefix.buffer).setUint32(1, message.length);
  socket.write(concatBytes(utf8(request + headEnd), prefix, message));
  socket.flush();
  await answered.promise;
  return {
    close: () => {
      socket.end();
      return closed.promise;
    },
  };
}

/** Cuts bytes as they come into pieces that say their own size. */
class Framed {
  readonly #sizeOf: (bytes: Uint8Array) => number;
  readonly #take: (piece: Uint8Array) => void;
  #held: Uint8Array = new Uint8Array();

  constructor(sizeOf: (bytes: Uint8Array) => number, take: (piece: Uint8Array) => void) {
    this.#sizeOf = sizeOf;
    this.#take = take;
  }

  push(bytes: Uint8Array): void {
    let held = this.#held.length === 0 ? bytes : concatBytes(this.#held, bytes);
    for (let size = this.#sizeOf(held); held.length >= size; size = this.#sizeOf(held)) {
      this.#take(held.subarray(0, size));
      held = held.subarray(size);
    }
    this.#held = held;
  }
}

function lineEnd(bytes: Uint8Array): number {
  return bytes.indexOf(0x0a) + 1;
}

/** Size of a chunk with its line and its end; unknown until the line is there. */
function chunkSize(bytes: Uint8Array): number {
  const start = lineEnd(bytes);
  return start === 0 ? Number.POSITIVE_INFINITY : start + Number.parseInt(textOf(bytes.subarray(0, start)), 16) + 2;
}

function messageSize(bytes: Uint8Array): number {
  if (bytes.length < 5) return Number.POSITIVE_INFINITY;
  return 5 + new DataView(bytes.buffer, bytes.byteOffset).getUint32(1);
}
