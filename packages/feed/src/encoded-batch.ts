import { create, toBinary, toJsonString } from '@bufbuild/protobuf';
import { utf8 } from '@mono-auth/core/encoding';
import { frames } from '@mono-auth/feed-engine';
import { type WatchResponse, WatchResponseSchema } from '@mono-auth/proto/monoauth/feed/v1/feed';
import type { Framing } from '@mono-auth/transport';
import { toEntry, toHead } from './feed-messages.ts';
import type { SignedHead } from './signed-head.ts';
import type { StoredEntry } from './store.ts';

/**
 * Entries and the head that stands exactly at the last of them, or a head alone: encoded at most once for each framing,
 * however many streams it is written to.
 */
export class EncodedBatch {
  readonly entries: readonly StoredEntry[];
  readonly head: SignedHead;
  readonly #frames = new Map<Framing, Uint8Array>();
  #message: WatchResponse | undefined;

  constructor(entries: readonly StoredEntry[], head: SignedHead) {
    this.entries = entries;
    this.head = head;
  }

  get message(): WatchResponse {
    this.#message ??= create(WatchResponseSchema, { entries: this.entries.map(toEntry), head: toHead(this.head) });
    return this.#message;
  }

  frame(framing: Framing): Uint8Array {
    const known = this.#frames.get(framing);
    if (known) return known;
    const frame = this.#encode(framing);
    this.#frames.set(framing, frame);
    return frame;
  }

  #encode(framing: Framing): Uint8Array {
    if (framing === 'proto') return frames.envelope(toBinary(WatchResponseSchema, this.message));
    const json = toJsonString(WatchResponseSchema, this.message);
    if (framing === 'json') return frames.envelope(utf8(json));
    const { incarnation, seq, headHash: hash } = this.head;
    return frames.serverSentEvent(this.entries.length > 0 ? 'entries' : 'head', { incarnation, seq, hash }, json);
  }
}
