import type { ContextValues, createConnectRouter } from '@connectrpc/connect';
import type { UniversalServerRequest } from '@connectrpc/connect/protocol';
import { rawFormatOf, rawStreamKey, rawStreamOn } from './raw-stream.ts';
import type { ResponseSink } from './response-sink.ts';

export type RpcHandler = ReturnType<typeof createConnectRouter>['handlers'][number];

/**
 * Lets the framework answer into the sink. A handler that opens its raw stream writes there before the framework has said
 * anything; what the framework says in the end (end frame or trailers, with the error in them) follows it.
 */
export async function serveStream(
  handler: RpcHandler,
  request: UniversalServerRequest,
  contextValues: ContextValues,
  sink: ResponseSink,
): Promise<void> {
  const format = rawFormatOf(request.header.get('content-type'));
  if (format && handler.method.methodKind === 'server_streaming') {
    const { framing, contentType } = format;
    contextValues.set(rawStreamKey, () => {
      sink.head(200, new Headers({ 'content-type': contentType }));
      return rawStreamOn(sink, framing);
    });
  }
  const answer = await handler({ ...request, signal: sink.signal, contextValues });
  if (!sink.headSent) sink.head(answer.status, answer.header ?? new Headers());
  for await (const chunk of answer.body ?? []) {
    sink.write(chunk);
    await sink.drained();
    if (sink.signal.aborted) return;
  }
  sink.end(answer.trailer);
}
