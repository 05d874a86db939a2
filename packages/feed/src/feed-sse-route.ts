import { create, toBinary } from '@bufbuild/protobuf';
import { Refusal } from '@mono-auth/core/errors';
import { type cursor, frames } from '@mono-auth/feed-engine';
import { FeedService, WatchRequestSchema } from '@mono-auth/proto/monoauth/feed/v1/feed';
import { type Ingress, type RpcServer, toBearerError } from '@mono-auth/transport';

/** Pause before a client comes again, milliseconds: a lease of the default length outlives two of them. */
const retryMs = 1_000;

export interface FeedSseDeps {
  readonly rpc: Pick<RpcServer, 'events'>;
  ingressOf(request: Request): Ingress;
}

/**
 * `GET /t/{slug}/feed`: FeedService.Watch as an event stream. `subscriber_id` in the query, the cursor in
 * `Last-Event-ID`; events `entries` and `head` with a WatchResponse as JSON, each with the cursor after it as its id.
 */
export function feedSseRoute({ rpc, ingressOf }: FeedSseDeps): (request: Request) => Promise<Response> {
  return async (request) => {
    const { headers, signal } = request;
    const authorization = headers.get('authorization');
    const last = headers.get('last-event-id');
    const position = last ? frames.parseCursorText(last) : undefined;
    if (last && !position) {
      const refusal = new Refusal('invalid_request', 'last-event-id: not a cursor of this feed');
      return toBearerError(refusal, { tokenPresent: authorization !== null });
    }
    const subscriberId = new URL(request.url).searchParams.get('subscriber_id') ?? '';
    const message = create(WatchRequestSchema, { subscriberId, ...(position && { cursor: toCursor(position) }) });
    const path = `/${FeedService.typeName}/${FeedService.method.watch.name}`;
    const body = toBinary(WatchRequestSchema, message);
    return rpc.events({ path, message: body, authorization, signal, retryMs }, ingressOf(request));
  };
}

function toCursor({ incarnation, seq, hash }: cursor.FeedPosition) {
  return { incarnation: BigInt(incarnation), seq: BigInt(seq), hash };
}
