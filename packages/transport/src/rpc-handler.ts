import { type ConnectRouter, type ContextValues, createConnectRouter, type Interceptor } from '@connectrpc/connect';
import {
  type UniversalServerRequest,
  universalServerRequestFromFetch,
  universalServerResponseToFetch,
} from '@connectrpc/connect/protocol';
import { createValidateInterceptor } from '@connectrpc/validate';
import type { Refusal } from '@mono-auth/core/errors';
import { requestBytesMax, responseBytesMax, unaryDeadlineMsMax } from '@mono-auth/core/limits';
import { type AccessEffects, createAccessInterceptor } from './access.ts';
import { createRefusalInterceptor } from './connect-errors.ts';
import { createDeadlineInterceptor } from './deadline.ts';
import { type DirectUnary, directCodecOf, serveDirect } from './direct-unary.ts';
import { type EventsRequest, serveEvents } from './event-stream.ts';
import { type Http2Exchange, serveHttp2 } from './http2-exchange.ts';
import { contextValuesOf, type Ingress } from './ingress.ts';
import { FetchSink } from './response-sink.ts';
import { type RpcHandler, serveStream } from './serve-stream.ts';

export interface RpcOptions extends AccessEffects {
  /** Registers every service on the router. */
  readonly routes: (router: ConnectRouter) => void;
  /** Those of them that are also answered by hand over HTTP/1.1, where a request is plain. */
  readonly direct?: readonly DirectUnary[];
  /** Told of every refusal that goes out, with its cause. */
  readonly onRefusal: (refusal: Refusal) => void;
}

/** The settings of the one router, whatever serves its bytes. */
function routerOptions(options: RpcOptions): {
  interceptors: Interceptor[];
  readMaxBytes: number;
  writeMaxBytes: number;
  maxTimeoutMs: number;
} {
  return {
    // Outermost first: nothing is validated, let alone run, for a caller who may not call.
    interceptors: [
      createRefusalInterceptor(options.onRefusal),
      createDeadlineInterceptor(),
      createAccessInterceptor(options),
      createValidateInterceptor(),
    ],
    readMaxBytes: requestBytesMax,
    writeMaxBytes: responseBytesMax,
    maxTimeoutMs: unaryDeadlineMsMax,
  };
}

/** Serves the RPCs of `options` over fetch requests; undefined when `path` names none. */
export type RpcFetch = (request: Request, path: string, ingress: Ingress) => Promise<Response> | undefined;

/** The same RPCs behind the same interceptors, on every wire. */
export interface RpcServer {
  /** Connect and gRPC-Web over HTTP/1.1. */
  readonly fetch: RpcFetch;
  /** Connect, gRPC and gRPC-Web over HTTP/2; undefined when `path` names no RPC. */
  http2(exchange: Http2Exchange, path: string, ingress: Ingress): Promise<void> | undefined;
  /** A server-streaming RPC as an event stream; the handler must write it raw. */
  events(request: EventsRequest, ingress: Ingress): Promise<Response>;
}

export function createRpcServer(options: RpcOptions): RpcServer {
  const router = createConnectRouter(routerOptions(options));
  options.routes(router);
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  const direct = new Map(options.direct?.map((unary) => [unary.path, unary]));
  return {
    fetch(request, path, ingress) {
      const handler = handlers.get(path);
      const unary = direct.get(path);
      const codec = unary && directCodecOf(request, ingress);
      if (!handler || !codec) return handler && serveFetch(handler, request, contextValuesOf(ingress));
      return serveFirst({ unary, codec, handler }, request, ingress, options.onRefusal);
    },
    http2(exchange, path, ingress) {
      const handler = handlers.get(path);
      return handler && serveHttp2(handler, exchange, ingress);
    },
    events(request, ingress) {
      const handler = handlers.get(request.path);
      if (!handler) throw new TypeError(`no such method: ${request.path}`);
      return serveEvents(handler, request, contextValuesOf(ingress));
    },
  };
}

export function createRpcFetch(options: RpcOptions): RpcFetch {
  return createRpcServer(options).fetch;
}

/** By hand; what is no message of the RPC goes to the framework. */
async function serveFirst(
  { unary, codec, handler }: { unary: DirectUnary; codec: 'json' | 'proto'; handler: RpcHandler },
  request: Request,
  ingress: Ingress,
  onRefusal: RpcOptions['onRefusal'],
): Promise<Response> {
  const { url, method, headers } = request;
  const body = new Uint8Array(await request.arrayBuffer());
  const answer = await serveDirect(unary, { body, codec, headers }, ingress, onRefusal);
  return answer ?? serveFetch(handler, new Request(url, { method, headers, body }), contextValuesOf(ingress));
}

async function serveFetch(handler: RpcHandler, request: Request, contextValues: ContextValues): Promise<Response> {
  const universal: UniversalServerRequest = {
    ...universalServerRequestFromFetch(request, { httpVersion: '1.1' }),
    contextValues,
  };
  if (handler.method.methodKind !== 'server_streaming') return universalServerResponseToFetch(await handler(universal));
  const sink = new FetchSink(request.signal);
  return Promise.race([sink.response, serveStream(handler, universal, contextValues, sink).then(() => sink.response)]);
}
