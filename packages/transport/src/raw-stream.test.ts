import { once } from 'node:events';
import { connect as connectHttp2, createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { connect, type Socket } from 'node:net';
import { create, toBinary } from '@bufbuild/protobuf';
import { concatBytes, utf8 } from '@mono-auth/core/encoding';
import { newId } from '@mono-auth/core/ids';
import { FeedService, WatchRequestSchema } from '@mono-auth/proto/monoauth/feed/v1/feed';
import { FakeRuntime } from '@mono-auth/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createRpcServer, type Ingress, openRawStream, type RawStream } from './index.ts';

const runtime = new FakeRuntime();
const ingress: Ingress = { requestId: newId(runtime, 'req'), ip: '', tenant: undefined };
const path = '/monoauth.feed.v1.FeedService/Watch';
const frame = concatBytes(Uint8Array.of(0, 0, 1, 0, 0), new Uint8Array(65_536));

/** What the handler does with its stream; each test sets its own. */
let write: (stream: RawStream, left: AbortSignal) => Promise<void>;
let ended: PromiseWithResolvers<void>;
const rpc = createRpcServer({
  authenticate: async () => ({ scope: new Set(['feed:follow']) }) as never,
  isPlatform: () => false,
  record: async () => {},
  onRefusal: () => {},
  routes: (router) => {
    router.service(FeedService, {
      async *watch(_, context) {
        const stream = openRawStream(context);
        if (!stream) throw new Error('no raw stream');
        await write(stream, context.signal).finally(ended.resolve);
        yield* [];
      },
    });
  },
});

const http1 = { port: 0, stop: async () => {} };
const http2 = createServer((request, response) => {
  const headers = new Headers({ 'content-type': String(request.headers['content-type']), authorization: 'Bearer x' });
  const chunks: Uint8Array[] = [];
  request.on('data', (chunk: Uint8Array) => chunks.push(chunk));
  request.on('end', () => {
    const exchange = { method: 'POST', url: `http://localhost${path}`, headers, body: Buffer.concat(chunks), response };
    void rpc.http2(exchange, path, ingress);
  });
});

beforeAll(async () => {
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: (request) => rpc.fetch(request, path, ingress) as Promise<Response>,
  });
  http1.port = server.port as number;
  http1.stop = () => server.stop(true);
  http2.listen(0, '127.0.0.1');
  await once(http2, 'listening');
});
afterAll(async () => {
  await http1.stop();
  http2.close();
});
beforeEach(() => {
  ended = Promise.withResolvers();
});

/** A client that reads only when it is told to. */
interface Reader {
  read(): void;
  leave(): void;
  readonly received: () => number;
  readonly closed: Promise<unknown>;
}

const request = () => {
  const message = toBinary(WatchRequestSchema, create(WatchRequestSchema, { subscriberId: 'x' }));
  return concatBytes(Uint8Array.of(0, 0, 0, 0, message.length), message);
};

const readers: Record<string, () => Promise<Reader>> = {
  async 'HTTP/1.1'() {
    const socket: Socket = connect(http1.port, '127.0.0.1');
    await once(socket, 'connect');
    socket.pause();
    const body = request();
    const head = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer x\r\nContent-Type: application/connect+proto\r\nContent-Length: ${body.length}\r\n\r\n`;
    socket.write(concatBytes(utf8(head), body));
    let received = 0;
    socket.on('error', () => {});
    return {
      read: () => {
        socket.on('data', (chunk: Uint8Array) => {
          received += chunk.length;
        });
        socket.resume();
      },
      leave: () => socket.destroy(),
      received: () => received,
      closed: new Promise((resolve) => socket.on('close', resolve)),
    };
  },
  async 'HTTP/2'() {
    const session = connectHttp2(`http://127.0.0.1:${(http2.address() as AddressInfo).port}`);
    const stream = session.request({ ':method': 'POST', ':path': path, 'content-type': 'application/grpc' });
    let received = 0;
    stream.on('error', () => {});
    stream.end(request());
    return {
      read: () => {
        stream.on('data', (chunk: Uint8Array) => {
          received += chunk.length;
        });
        stream.resume();
      },
      leave: () => stream.close(),
      received: () => received,
      closed: new Promise<void>((resolve) => stream.on('close', () => resolve())).finally(() => session.destroy()),
    };
  },
};

/** More than loopback sockets take in for a reader that does not read: some 5 MB. */
const framesMax = 400;
/** What a stream may hold before a test calls it stalled. */
const stalledBytes = 1024 * 1024;

async function writeUntilStalled(stream: RawStream): Promise<void> {
  for (let i = 0; i < framesMax && stream.bufferedBytes < stalledBytes; i++) {
    stream.write(frame);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

describe.each(Object.entries(readers))('over %s', (_, open) => {
  test('a stream knows how much its reader has not taken, and when there is room again', async () => {
    const full = Promise.withResolvers<void>();
    let left = -1;
    write = async (stream) => {
      await writeUntilStalled(stream);
      expect(stream.bufferedBytes).toBeGreaterThanOrEqual(stalledBytes);
      full.resolve();
      await stream.drained();
      left = stream.bufferedBytes;
    };
    const reader = await open();
    await full.promise;
    reader.read();
    await ended.promise;
    expect(left).toBeLessThan(stalledBytes / 4);
    reader.leave();
  });

  test('a stream that is dropped ends for its reader, and gives up what was buffered', async () => {
    let left = -1;
    let written = 0;
    write = async (stream) => {
      await writeUntilStalled({
        ...{ framing: stream.framing, drained: stream.drained, drop: stream.drop },
        get bufferedBytes() {
          return stream.bufferedBytes;
        },
        write: (bytes) => {
          written += bytes.length;
          stream.write(bytes);
        },
      });
      stream.drop();
      left = stream.bufferedBytes;
      stream.write(frame);
    };
    const reader = await open();
    await ended.promise;
    expect(left).toBe(0);
    reader.read();
    await reader.closed;
    expect(reader.received()).toBeLessThan(written);
  });

  test('a reader that leaves ends its stream', async () => {
    write = async (stream, signal) => {
      stream.write(frame);
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      stream.write(frame);
    };
    const reader = await open();
    reader.read();
    while (reader.received() === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    reader.leave();
    await ended.promise;
  });
});
