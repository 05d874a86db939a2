import {
  constants,
  createServer,
  type Http2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { ConfigError, type ControlPlane, type Listen } from '@mono-auth/control-plane';
import { requestBytesMax } from '@mono-auth/core/limits';
import type { createAdmission } from '@mono-auth/gateway';

/** What answers: the rules of the edge, and the RPCs behind them. */
export interface GrpcHandlers {
  readonly admit: ReturnType<typeof createAdmission>;
  readonly http2: ControlPlane['http2'];
  onError(error: unknown): void;
}

export interface GrpcListener {
  readonly port: number;
  /** Hands the port over to the finished server; until then it answers 503. */
  serve(handlers: GrpcHandlers): void;
  /** Takes no new call, gives those under way `drainMs`, then ends them. */
  stop(drainMs: number): Promise<void>;
}

/** Streams on one connection: a subscriber needs one and a few calls; a proxy in front of many opens more connections. */
const streamsPerConnectionMax = 256;
/** Headers of one call, bytes: the longest token and room for tracing. */
const headerBytesMax = 32 * 1024;
/** A frame's prefix, which a body has beyond its message. */
const prefixBytes = 5;
/** How long a body may take to arrive, milliseconds: the largest in a second over 10 Mbit/s, with patience. */
const bodyMsMax = 10_000;
/** A connection without a frame for this long is closed, milliseconds; the feed writes every second. */
const idleMsMax = 60_000;

/**
 * The port of gRPC: HTTP/2 without TLS and with prior knowledge (h2c), for gRPC, gRPC-Web and Connect alike. Takes the port
 * at once, so that a taken one is known before anything else is started.
 * @throws ConfigError when it cannot be had.
 */
export async function openGrpcListener(
  variable: string,
  listen: Listen,
  { shared }: { readonly shared: boolean } = { shared: false },
): Promise<GrpcListener> {
  let handlers: GrpcHandlers | undefined;
  const sessions = new Set<{ close(): void; destroy(): void }>();
  const settings = { maxConcurrentStreams: streamsPerConnectionMax, maxHeaderListSize: headerBytesMax };
  const server = createServer({ settings }, (request, response) => {
    if (handlers) void answer(handlers, request, response);
    else response.writeHead(503, { 'retry-after': '1' }).end();
  });
  server.on('session', (session) => {
    sessions.add(session);
    session.setTimeout(idleMsMax, () => session.close());
    session.on('close', () => sessions.delete(session));
    // A peer that breaks off or breaks the protocol; its streams end with it.
    session.on('error', () => {});
  });
  await listening(server, variable, { ...listen, shared });
  return {
    port: (server.address() as AddressInfo).port,
    serve(finished) {
      handlers = finished;
    },
    async stop(drainMs) {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const session of sessions) session.close();
      await Promise.race([closed, Bun.sleep(drainMs)]);
      for (const session of sessions) session.destroy();
    },
  };
}

function listening(
  server: Http2Server,
  variable: string,
  { host, port, shared }: Listen & { readonly shared: boolean },
): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === 'EADDRINUSE' ? 'is taken by another program' : `cannot be used (${error.code})`;
      reject(new ConfigError(`${variable}: ${host}:${port} ${why}; allowed: a free address and port`));
    });
    server.listen({ port, host, reusePort: shared }, () => resolve());
  });
}

async function answer(
  handlers: GrpcHandlers,
  request: Http2ServerRequest,
  response: Http2ServerResponse,
): Promise<void> {
  try {
    const body = await readBody(request);
    const host = request.authority ?? '';
    const url = `http://${host}${request.url}`;
    if (!URL.canParse(url)) return void response.writeHead(400).end();
    const ip = request.socket.remoteAddress ?? '';
    const { headers, ingress } = await handlers.admit({
      method: request.method,
      url,
      headers: headersOf(request),
      host,
      body,
      ip,
    });
    const answered = handlers.http2({ method: request.method, url, headers, body, response }, ingress);
    if (answered) await answered;
    else response.writeHead(404, { 'x-request-id': ingress.requestId }).end();
  } catch (error) {
    if (!response.stream.destroyed) response.stream.close(constants.NGHTTP2_INTERNAL_ERROR);
    handlers.onError(error);
  }
}

/** Names with a colon are of HTTP/2 itself (RFC 9113 §8.3). */
function headersOf(request: Http2ServerRequest): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(request.headers)) {
    if (!name.startsWith(':') && value !== undefined) headers.set(name, [value].flat().join(', '));
  }
  return headers;
}

/** The whole body, or as much of it as shows that it is too long: the RPC's own limit then refuses it, in its protocol. */
function readBody(request: Http2ServerRequest): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = [];
    let size = 0;
    const late = setTimeout(() => reject(new Error('the body did not arrive in time')), bodyMsMax);
    const done = () => {
      clearTimeout(late);
      resolve(Buffer.concat(chunks));
    };
    request.on('data', (chunk: Uint8Array) => {
      size += chunk.length;
      if (size <= requestBytesMax + prefixBytes + chunk.length) chunks.push(chunk);
      if (size <= requestBytesMax + prefixBytes) return;
      request.pause();
      done();
    });
    request.on('end', done);
    request.on('error', reject);
    request.on('close', done);
  });
}
