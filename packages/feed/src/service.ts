import type { JsonObject } from '@bufbuild/protobuf';
import type { ServiceImpl } from '@connectrpc/connect';
import { parseId } from '@mono-auth/core/ids';
import { pageItemsDefault } from '@mono-auth/core/limits';
import type { Call } from '@mono-auth/core/principal';
import type { Cursor, FeedService, GetSnapshotRequest } from '@mono-auth/proto/monoauth/feed/v1/feed';
import { callOf, openRawStream } from '@mono-auth/transport';
import { acknowledgeEntries } from './acknowledge-entries.ts';
import type { Feed, FeedDeps } from './feed.ts';
import { MessageQueue, rawConsumer } from './feed-consumer.ts';
import { toHead, toPosition, toSnapshotMessages, toSubscriber } from './feed-messages.ts';
import { readFollowerClaims } from './follower.ts';
import { type RecordEvent, registerSubscriber } from './register-subscriber.ts';
import { signHead, signSnapshot } from './signed-head.ts';
import { listSubscribers } from './store.ts';
import { takeSnapshot } from './take-snapshot.ts';
import { watchFeed } from './watch-feed.ts';

export interface FeedServiceDeps extends Pick<FeedDeps, 'database' | 'keys' | 'runtime'> {
  readonly feed: Feed;
  readonly recordEvent: RecordEvent;
}

export function feedService(deps: FeedServiceDeps): ServiceImpl<typeof FeedService> {
  const { database, feed, keys, runtime } = deps;
  return {
    async register({ name, leaseMs }, context) {
      const call = callOf(runtime, context);
      const { tenantId } = call.caller;
      const subscriber = await database.forTenant(tenantId, (tx) =>
        registerSubscriber(tx, call, { name, leaseMs }, deps.recordEvent),
      );
      return {
        subscriberId: subscriber.id,
        leaseMs: subscriber.leaseMs,
        feedKeyCertificate: await keys.certificate(tenantId, 'feed'),
        rootJwk: (await keys.rootJwk()) as JsonObject,
      };
    },

    async *watch(request, context) {
      const call = callOf(runtime, context);
      const { tenantId } = call.caller;
      const input = {
        subscriberId: parseId('sub', request.subscriberId, 'subscriber_id'),
        cursor: request.cursor && toPosition(request.cursor),
        claims: readFollowerClaims(context.requestHeader.get('authorization')),
        signal: context.signal,
      };
      const watchDeps = { database, feed, signer: () => keys.signer(tenantId, 'feed') };
      const stream = openRawStream(context);
      if (stream) return watchFeed(watchDeps, call, input, rawConsumer(stream));
      const queue = new MessageQueue();
      yield* queue.messages(watchFeed(watchDeps, call, input, queue));
    },

    getSnapshot: (request, context) => getSnapshot(deps, request, callOf(runtime, context)),

    async acknowledge(request, context) {
      const call = callOf(runtime, context);
      const { tenantId } = call.caller;
      const { nonce } = request;
      const subscriberId = parseId('sub', request.subscriberId, 'subscriber_id');
      const applied = toPosition(request.applied as Cursor);
      const head = await database.forTenant(tenantId, async (tx) => {
        const noted = await acknowledgeEntries(tx, call, { subscriberId, applied, nonce });
        if (noted.advanced) tx.afterCommit(() => feed.announceApplied(tenantId));
        return noted.head;
      });
      if (nonce === '') return {};
      return { head: toHead(await signHead(await keys.signer(tenantId, 'feed'), runtime, tenantId, head, nonce)) };
    },

    async listSubscribers(request, context) {
      const { caller } = callOf(runtime, context);
      const limit = request.pageSize || pageItemsDefault;
      const before = request.pageToken === '' ? undefined : parseId('sub', request.pageToken, 'page_token');
      const { rows, headSeq } = await database.forTenant(caller.tenantId, async (tx) => ({
        headSeq: await feed.headSeq(tx),
        rows: await listSubscribers(tx, { before, limit }),
      }));
      return {
        subscribers: rows.map(toSubscriber),
        nextPageToken: rows.length < limit ? '' : (rows.at(-1)?.id ?? ''),
        headSeq: BigInt(headSeq),
      };
    },
  } satisfies ServiceImpl<typeof FeedService>;
}

async function* getSnapshot(
  { database, feed, keys, runtime }: FeedServiceDeps,
  { subscriberId, proven }: GetSnapshotRequest,
  call: Call,
) {
  const { tenantId } = call.caller;
  const input = {
    subscriberId: parseId('sub', subscriberId, 'subscriber_id'),
    proven: proven && toPosition(proven),
  };
  const snapshot = await database.forTenant(tenantId, (tx) => takeSnapshot(tx, call, feed, input));
  const signed = await signSnapshot(await keys.signer(tenantId, 'feed'), runtime, tenantId, snapshot);
  yield* toSnapshotMessages(snapshot, signed);
}
