import type { Http2ServerResponse } from 'node:http2';
import { concatBytes, utf8 } from '@mono-auth/core/encoding';
import { Refusal } from '@mono-auth/core/errors';
import { requestBytesMax } from '@mono-auth/core/limits';
import { Http2Sink } from './http2-sink.ts';
import { contextValuesOf, type Ingress } from './ingress.ts';
import { type RpcHandler, serveStream } from './serve-stream.ts';

/** A request that came over HTTP/2 and was cleaned by the edge, and where its answer goes. */
export interface Http2Exchange {
  readonly method: string;
  /** Absolute. */
  readonly url: string;
  readonly headers: Headers;
  readonly body: Uint8Array;
  readonly response: Http2ServerResponse;
}

export async function serveHttp2(handler: RpcHandler, exchange: Http2Exchange, ingress: Ingress): Promise<void> {
  const { method, url, headers: header, response } = exchange;
  const sink = new Http2Sink(response, { 'x-request-id': ingress.requestId });
  const { body, refusal = ingress.refusal } = limit(exchange);
  const request = { httpVersion: '2.0', method, url, header, body: once(body), signal: sink.signal };
  await serveStream(handler, request, contextValuesOf({ ...ingress, refusal }), sink);
}

/** Flags and length in front of a message; a unary Connect body has none. */
const prefixBytes = 5;

/**
 * A body that is too long makes way for an empty message, so that the refusal comes from where all others do and has its
 * reason: the framework's own would not.
 */
function limit({ headers, body }: Http2Exchange): { body: Uint8Array; refusal?: Refusal } {
  const type = headers.get('content-type') ?? '';
  const prefix = /^application\/(?:connect|grpc)/.test(type) ? prefixBytes : 0;
  if (body.length <= requestBytesMax + prefix) return { body };
  const message = utf8(type.includes('json') ? '{}' : '');
  const empty = concatBytes(new Uint8Array(prefix), message);
  if (prefix > 0) empty[prefix - 1] = message.length;
  return { body: empty, refusal: new Refusal('too_large', `a request has at most ${requestBytesMax} bytes`) };
}

async function* once(body: Uint8Array): AsyncIterable<Uint8Array> {
  if (body.length > 0) yield body;
}
