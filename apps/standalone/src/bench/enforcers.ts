import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { createClient } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import { systemRuntime as runtime } from '@mono-auth/core/runtime';
import { FeedService, WatchRequestSchema, WatchResponseSchema } from '@mono-auth/proto/monoauth/feed/v1/feed';
import { createVerifier, FeedSubscriber, type Verifier } from '@mono-auth/sdk';
import { openRawWatch } from './raw-watch.ts';

/** A place where tokens are verified against the feed. */
export interface Enforcer {
  readonly verifier: Verifier;
  /** When it first refuses the token, on the monotonic clock. */
  untilRefused(token: string): Promise<number>;
  close(): Promise<void>;
}

/** Enforcers that start at once. */
const startAtOnce = 16;
/** A long lease: a thousand subscribers in one process acknowledge late, and being stale would refuse as well. */
const leaseMs = 30_000;

async function startMany<T>(count: number, start: (i: number) => Promise<T>): Promise<T[]> {
  const started: T[] = [];
  const lanes = Array.from({ length: startAtOnce }, async (_, lane) => {
    for (let i = lane; i < count; i += startAtOnce) started.push(await start(i));
  });
  await Promise.all(lanes);
  return started;
}

async function startProver(issuer: string, token: string, name: string) {
  const subscriber = await FeedSubscriber.start({ issuer, tokens: async () => token, name, leaseMs });
  await subscriber.whenFresh(leaseMs);
  return { subscriber, verifier: createVerifier({ issuer, audience: `${issuer}/rpc`, revocations: subscriber }) };
}

type Listen = (heard: () => void) => () => void;

function enforcerOf(verifier: Verifier, arrivals: Listen, proofs: Listen, close: () => Promise<void>): Enforcer {
  return {
    verifier,
    close,
    untilRefused: (token) =>
      new Promise((resolve) => {
        const there = { bytes: false, proof: false };
        const hear = async (what: keyof typeof there) => {
          there[what] = true;
          // Where the proof is shared, an enforcer that asks before it is there would only take time from the one who makes it.
          if (!there.bytes || !there.proof || (await verifier.verify(token).catch(() => undefined))) return;
          for (const stop of stops) stop();
          resolve(runtime.monotonicMs());
        };
        const stops = [arrivals(() => void hear('bytes')), proofs(() => void hear('proof'))];
      }),
  };
}

/** Subscribers of the SDK: each proves every head by itself, holds its lease and acknowledges. */
export function startProvers(issuer: string, token: string, count: number): Promise<Enforcer[]> {
  return startMany(count, async (i) => {
    const { subscriber, verifier } = await startProver(issuer, token, nameOf(i));
    return proverOf(subscriber, verifier);
  });
}

function proverOf(subscriber: FeedSubscriber, verifier: Verifier): Enforcer {
  const onEntry: Listen = (heard) => subscriber.onEntry(heard);
  return enforcerOf(verifier, onEntry, onEntry, () => subscriber.close());
}

const nameOf = (i: number) => `bench-${i}`;

/**
 * Streams of their own, which deliver the same bytes; one subscriber proves those for all, so that a thousand of them in
 * one process do not measure a thousand signature checks on one core. Each refuses when both its bytes and the proof are
 * there.
 */
export async function startStreams(issuer: string, token: string, count: number): Promise<Enforcer[]> {
  const { subscriber, verifier } = await startProver(issuer, token, nameOf(0));
  const headers = { authorization: `Bearer ${token}` };
  const rpc = createClient(FeedService, createConnectTransport({ baseUrl: `${issuer}/rpc`, httpVersion: '1.1' }));
  const streams = await startMany(count - 1, async (i) => {
    const { subscriberId } = await rpc.register({ name: nameOf(i + 1) }, { headers });
    const { onEntries, close } = await openStream(issuer, token, subscriberId);
    return enforcerOf(verifier, onEntries, (heard) => subscriber.onEntry(heard), close);
  });
  return [proverOf(subscriber, verifier), ...streams];
}

/** Follows on a socket of its own. */
async function openStream(issuer: string, token: string, subscriberId: string) {
  const listeners = new Set<() => void>();
  const { close } = await openRawWatch(
    `${issuer}/rpc/${FeedService.typeName}/${FeedService.method.watch.name}`,
    { authorization: `Bearer ${token}`, 'content-type': 'application/connect+proto' },
    toBinary(WatchRequestSchema, create(WatchRequestSchema, { subscriberId })),
    (message) => {
      if (fromBinary(WatchResponseSchema, message).entries.length > 0) for (const heard of [...listeners]) heard();
    },
  );
  const onEntries = (heard: () => void) => {
    listeners.add(heard);
    return () => void listeners.delete(heard);
  };
  return { onEntries, close };
}
