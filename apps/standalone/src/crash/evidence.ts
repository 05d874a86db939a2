import type { JsonObject } from '@bufbuild/protobuf';
import { concatBytes, textOf } from '@mono-auth/core/encoding';
import { systemRuntime } from '@mono-auth/core/runtime';
import { bundle, note } from '@mono-auth/log-engine';
import { AuditService } from '@mono-auth/proto/monoauth/audit/v1/audit';
import { FeedService } from '@mono-auth/proto/monoauth/feed/v1/feed';
import { rpcClient } from '../tour/person.ts';
import { hold } from '../tour/scene.ts';
import { type CrashScene, listAll } from './scene.ts';

/** Evidence is sealed a second after it was written; a worker whose database was gone comes back within a few. */
const sealedMsMax = 15_000;
const pollMs = 100;

export interface FeedEntry {
  readonly seq: number;
  readonly kind: string;
  readonly payload: JsonObject;
}

/** The whole feed up to where it stands now. @throws Error unless its numbers are dense. */
export async function readFeed({
  issuer,
  ownerToken,
}: Pick<CrashScene, 'issuer' | 'ownerToken'>): Promise<FeedEntry[]> {
  const feed = rpcClient(issuer, FeedService, ownerToken);
  const { subscriberId } = await feed.register({ name: 'the reader of the feed' });
  // A stream may begin a wake-up behind; the table is asked how far there is to go.
  const { headSeq } = await feed.listSubscribers({ pageSize: 1 });
  const entries: FeedEntry[] = [];
  const leave = new AbortController();
  try {
    for await (const message of feed.watch({ subscriberId }, leave)) {
      for (const { seq, kind, payload } of message.entries) {
        entries.push({ seq: Number(seq), kind, payload: JSON.parse(textOf(payload)) as JsonObject });
        hold(entries.length === Number(seq), `entry ${seq} follows ${entries.length - 1}`);
      }
      if (entries.length >= Number(headSeq)) return entries;
    }
  } finally {
    leave.abort();
  }
  throw new Error(`the feed ended before ${headSeq}`);
}

/**
 * Waits until everything is sealed, then takes the log away and verifies it.
 * @throws Error unless the exported bundle verifies and holds every event that is listed.
 */
export async function verifyLog(issuer: string, token: string): Promise<number> {
  const deadline = systemRuntime.monotonicMs() + sealedMsMax;
  let events: JsonObject[];
  for (;;) {
    events = await listAll(issuer, token, 'audit.v1.AuditService/ListEvents', 'events');
    const unsealed = events.filter(({ leafIndex }) => Number(leafIndex) === -1).length;
    if (unsealed === 0) break;
    hold(systemRuntime.monotonicMs() < deadline, `everything is sealed (${unsealed} events are not)`);
    await systemRuntime.sleep(pollMs);
  }
  const places = events.map(({ leafIndex }) => Number(leafIndex ?? 0)).sort((a, b) => a - b);
  hold(
    places.every((place, at) => place === at),
    'every event has one place, without a gap',
  );
  const audit = rpcClient(issuer, AuditService, token);
  const { vkey } = await audit.getCheckpoint({});
  const chunks: Uint8Array[] = [];
  for await (const { chunk } of audit.exportBundle({})) chunks.push(chunk);
  const report = bundle.verifyBundle(concatBytes(...chunks), { vkeys: [note.parseVerifierKey(vkey)] });
  hold(report.verified, `the bundle verifies (${report.verified ? '' : report.detail})`);
  hold(report.verified && report.from === 0 && report.to >= events.length, 'the bundle has every event');
  return events.length;
}
