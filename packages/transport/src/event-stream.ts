import type { ContextValues } from '@connectrpc/connect';
import { concatBytes, utf8 } from '@mono-auth/core/encoding';
import { failureOf } from './connect-errors.ts';
import { toBearerError } from './oauth-errors.ts';
import { rawStreamKey, rawStreamOn } from './raw-stream.ts';
import { FetchSink } from './response-sink.ts';
import type { RpcHandler } from './serve-stream.ts';

/** A call of a server-streaming RPC that is to be answered as an event stream. */
export interface EventsRequest {
  readonly path: string;
  /** The request message, in binary. */
  readonly message: Uint8Array;
  readonly authorization: string | null;
  readonly signal: AbortSignal;
  /** How long a client waits before it comes again, milliseconds (HTML §9.2.6, `retry`). */
  readonly retryMs: number;
}

/**
 * Answers with the events that the handler writes (HTML §9.2). Who may not call gets an HTTP error, so that a browser does
 * not come again; what goes wrong later is an `error` event, and the end.
 */
export async function serveEvents(
  handler: RpcHandler,
  request: EventsRequest,
  contextValues: ContextValues,
): Promise<Response> {
  const sink = new FetchSink(request.signal);
  contextValues.set(rawStreamKey, () => {
    sink.head(200, new Headers({ 'content-type': 'text/event-stream', 'cache-control': 'no-store' }));
    sink.write(utf8(`retry: ${request.retryMs}\n\n`));
    return rawStreamOn(sink, 'sse');
  });
  const ended = callAsConnect(handler, request, contextValues, sink.signal).then(() => {
    const refusal = failureOf(contextValues);
    if (!sink.headSent) return toBearerError(refusal, { tokenPresent: request.authorization !== null });
    if (refusal) sink.write(errorEvent(refusal.reason, refusal.detail));
    sink.end();
    return sink.response;
  });
  return Promise.race([sink.response, ended]);
}

/** Runs the call behind the same interceptors; what the framework writes is for a client that is not there. */
async function callAsConnect(
  handler: RpcHandler,
  { path, message, authorization }: EventsRequest,
  contextValues: ContextValues,
  signal: AbortSignal,
): Promise<void> {
  const header = new Headers({ 'content-type': 'application/connect+proto' });
  if (authorization !== null) header.set('authorization', authorization);
  const size = new Uint8Array(5);
  new DataView(size.buffer).setUint32(1, message.length);
  const body = (async function* () {
    yield concatBytes(size, message);
  })();
  const url = `http://localhost${path}`;
  const answer = await handler({ httpVersion: '1.1', method: 'POST', url, header, body, signal, contextValues });
  for await (const _ of answer.body ?? []) if (signal.aborted) return;
}

function errorEvent(reason: string, message: string): Uint8Array {
  return utf8(`event: error\ndata: ${JSON.stringify({ reason, message })}\n\n`);
}
