import { createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { create, toBinary } from '@bufbuild/protobuf';
import { concatBytes } from '@mono-auth/core/encoding';
import { newId } from '@mono-auth/core/ids';
import { systemRuntime as runtime } from '@mono-auth/core/runtime';
import { FeedService, type WatchResponse, WatchResponseSchema } from '@mono-auth/proto/monoauth/feed/v1/feed';
import { createRpcServer, type Ingress, openRawStream } from '@mono-auth/transport';

/**
 * One process that writes to every stream as fast as all of them take it: raw, one encoded frame for all, or by the
 * framework's handler, each stream its own messages. The same router, interceptors and sockets carry both.
 */
interface Stream {
  /** Messages that wait for it. */
  readonly waiting: number;
  push(): void;
}

/** Messages that may wait for a stream before the next is made: as many for both kinds. */
const waitingMax = 16;
const path = `/${FeedService.typeName}/${FeedService.method.watch.name}`;
/** A head, as it comes every second; an entry is no longer. */
const message = create(WatchResponseSchema, {
  head: {
    tenantId: newId(runtime, 'ten'),
    incarnation: 1n,
    seq: 1_000n,
    hash: runtime.randomBytes(32),
    issuedAtMs: BigInt(runtime.nowMs()),
    kid: newId(runtime, 'key'),
    signature: runtime.randomBytes(64),
  },
});
const encoded = toBinary(WatchResponseSchema, message);
const prefix = new Uint8Array(5);
new DataView(prefix.buffer).setUint32(1, encoded.length);
const frame = concatBytes(prefix, encoded);

const streams = new Set<Stream>();
const rpc = createRpcServer({
  authenticate: async () => ({ scope: new Set(['feed:follow']) }) as never,
  isPlatform: () => false,
  record: async () => {},
  onRefusal: () => {},
  routes: (router) => {
    router.service(FeedService, {
      watch: ({ subscriberId }, context) =>
        subscriberId === 'raw' ? writeRaw(context) : yieldMessages(context.signal),
    });
  },
});

async function* writeRaw(context: Parameters<typeof openRawStream>[0] & { signal: AbortSignal }) {
  const raw = openRawStream(context);
  if (!raw) throw new Error('this wire cannot be written raw');
  const stream: Stream = {
    get waiting() {
      return raw.bufferedBytes / frame.length;
    },
    push: () => raw.write(frame),
  };
  streams.add(stream);
  await new Promise((resolve) => context.signal.addEventListener('abort', resolve));
  streams.delete(stream);
  yield* [];
}

async function* yieldMessages(signal: AbortSignal): AsyncGenerator<WatchResponse, void, void> {
  let arrived = Promise.withResolvers<void>();
  const stream = {
    waiting: 0,
    push() {
      stream.waiting++;
      arrived.resolve();
    },
  };
  signal.addEventListener('abort', () => arrived.resolve());
  streams.add(stream);
  try {
    while (!signal.aborted) {
      while (stream.waiting > 0) {
        yield message;
        stream.waiting--;
      }
      await arrived.promise;
      arrived = Promise.withResolvers();
    }
  } finally {
    streams.delete(stream);
  }
}

const ingress: Ingress = { requestId: newId(runtime, 'req'), ip: '', tenant: undefined };
const http1 = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  fetch: (request) => rpc.fetch(request, path, ingress) as Promise<Response>,
  error: () => new Response(null, { status: 500 }),
});
const http2 = createServer((request, response) => {
  const chunks: Uint8Array[] = [];
  request.on('data', (chunk: Uint8Array) => chunks.push(chunk));
  request.on('end', () => {
    const headers = new Headers({ 'content-type': 'application/grpc' });
    const exchange = {
      method: 'POST',
      url: `http://localhost${path}`,
      headers,
      body: concatBytes(...chunks),
      response,
    };
    void rpc.http2(exchange, path, ingress)?.catch(() => {});
  });
});
http2.listen(0, '127.0.0.1', () => {
  const { port } = http2.address() as AddressInfo;
  process.stdout.write(`${JSON.stringify({ http1: http1.port, http2: port, frameBytes: frame.length })}\n`);
});

for (;;) {
  let ready = 0;
  for (const stream of streams) {
    if (stream.waiting > waitingMax) continue;
    stream.push();
    ready++;
  }
  await new Promise((resolve) => (ready > 0 ? setImmediate(resolve) : setTimeout(resolve, 1)));
}
