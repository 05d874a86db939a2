import type { ServiceImpl } from '@connectrpc/connect';
import { Refusal } from '@mono-auth/core/errors';
import type { TenantId } from '@mono-auth/core/ids';
import type { Runtime } from '@mono-auth/core/runtime';
import { chain, type cursor, head, payload, RevocationState, receipt, snapshot } from '@mono-auth/feed-engine';
import type { Cursor, FeedService } from '@mono-auth/proto/monoauth/feed/v1/feed';

/** Between periodic heads: ten times as often as the real server, so that tests need not wait. */
const headEveryMs = 100;

export interface FeedSigner {
  readonly kid: string;
  sign(data: Uint8Array): Promise<Uint8Array>;
}

/** What a test may make the server do wrong. */
export interface FeedFaults {
  /** Heads are signed by another key under the same kid. */
  forged?: FeedSigner | undefined;
  /** The next live batch leaves this entry out. */
  dropSeq?: number | undefined;
  /** Acknowledgements are not answered. */
  mute?: boolean;
  /** The next snapshot is the one of this position: an old one, played back. */
  oldSnapshotSeq?: number | undefined;
  /** Streams that begin further behind than this are refused; the real server allows 10,000 entries. */
  behindEntriesMax?: number | undefined;
  /** GetSnapshot answers this instead. */
  noSnapshot?: Refusal | undefined;
  /** The bytes of a snapshot are changed on their way. */
  tamper?: ((bytes: Uint8Array) => Uint8Array<ArrayBuffer>) | undefined;
}

/** The server's side of a feed, in memory: one tenant, the engine's own chain and heads, no database. */
export class FakeFeed {
  readonly faults: FeedFaults = {};
  /** Every position that was acknowledged, oldest first. */
  readonly acknowledged: number[] = [];
  /** Every cursor that a stream began with; undefined: from the beginning. */
  readonly begunAt: (number | undefined)[] = [];
  /** What each consumer that asked for a snapshot had proven; undefined: nothing. */
  readonly snapshotsAfter: (number | undefined)[] = [];
  incarnation = 1;
  #entries: chain.FeedEntry[] = [];
  #hashes: Uint8Array[];
  readonly #streams = new Set<AbortController>();
  readonly #tenantId: TenantId;
  readonly #signer: FeedSigner;
  readonly #runtime: Runtime;

  constructor(tenantId: TenantId, signer: FeedSigner, runtime: Runtime) {
    this.#tenantId = tenantId;
    this.#signer = signer;
    this.#runtime = runtime;
    this.#hashes = [chain.genesisHash(tenantId, this.incarnation)];
  }

  append<K extends payload.EntryKind>(kind: K, value: payload.Payloads[K]): number {
    const seq = this.#entries.length + 1;
    const entry = { seq, kind, payload: payload.encodePayload(kind, value), createdAtMs: this.#runtime.nowMs() };
    this.#hashes.push(chain.entryHash(this.#hashes[seq - 1] as Uint8Array, entry));
    this.#entries.push(entry);
    return seq;
  }

  /** A new life of the database: the entries stay, under another incarnation. */
  begin(incarnation: number): void {
    const entries = this.#entries;
    this.incarnation = incarnation;
    this.#hashes = [chain.genesisHash(this.#tenantId, incarnation)];
    this.#entries = [];
    for (const entry of entries) {
      this.#hashes.push(chain.entryHash(this.#hashes.at(-1) as Uint8Array, entry));
      this.#entries.push(entry);
    }
  }

  /** Breaks every open stream, as a proxy or a restart would. */
  disconnect(): void {
    for (const stream of this.#streams) stream.abort(new Refusal('unavailable', 'going away'));
  }

  watching(): number {
    return this.#streams.size;
  }

  /** The methods of the service that concern the sequence itself. */
  service(): Pick<ServiceImpl<typeof FeedService>, 'watch' | 'getSnapshot' | 'acknowledge'> {
    const feed = this;
    return {
      async *watch(request, context) {
        const stream = new AbortController();
        feed.#streams.add(stream);
        try {
          yield* feed.#follow(request.cursor, AbortSignal.any([context.signal, stream.signal]));
        } finally {
          feed.#streams.delete(stream);
        }
      },
      async *getSnapshot({ proven }) {
        feed.snapshotsAfter.push(proven && Number(proven.seq));
        yield* await feed.#snapshot();
      },
      async acknowledge({ applied, nonce }) {
        const position = toPosition(applied as Cursor);
        const sent = { incarnation: feed.incarnation, seq: feed.#entries.length };
        receipt.checkAcknowledgement(position, sent, (seq) => feed.#hashes[seq] as Uint8Array);
        if (feed.faults.mute) throw new Refusal('unavailable', 'mute');
        feed.acknowledged.push(position.seq);
        return { head: await feed.#head(feed.#entries.length, nonce) };
      },
    };
  }

  /** In two pieces, so that a consumer which takes one for all is found out. */
  async #snapshot() {
    const { noSnapshot, oldSnapshotSeq, forged, tamper = (bytes) => bytes } = this.faults;
    if (noSnapshot) throw noSnapshot;
    this.faults.oldSnapshotSeq = undefined;
    const seq = oldSnapshotSeq ?? this.#entries.length;
    const state = new RevocationState();
    for (const entry of this.#entries.slice(0, seq)) state.apply(entry);
    const { bytes, hash: snapshotHash } = snapshot.encodeSnapshot(state);
    const position = { incarnation: this.incarnation, seq, hash: this.#hashes[seq] as Uint8Array };
    const { sign } = forged ?? this.#signer;
    const statement = { tenantId: this.#tenantId, position, snapshotHash };
    const snapshotSignature = await sign(snapshot.snapshotBytes(statement));
    const sent = tamper(bytes);
    const first = { head: await this.#head(seq, ''), snapshotHash, snapshotSignature, piece: sent.slice(0, 10) };
    return [first, { piece: sent.slice(10) }];
  }

  /** The database goes back in time, within the same incarnation. */
  rollBack(seq: number): void {
    this.#entries = this.#entries.slice(0, seq);
    this.#hashes = this.#hashes.slice(0, seq + 1);
  }

  async *#follow(from: Cursor | undefined, signal: AbortSignal) {
    this.begunAt.push(from && Number(from.seq));
    if (from && Number(from.incarnation) !== this.incarnation) throw new Refusal('reset_required', 'a new incarnation');
    let seq = from ? Number(from.seq) : 0;
    const behind = this.#entries.length - seq;
    if (behind > (this.faults.behindEntriesMax ?? behind)) throw new Refusal('reset_required', 'too far behind');
    const { incarnation } = this;
    for (let sentAtMs = 0; !signal.aborted; ) {
      if (incarnation !== this.incarnation) throw new Refusal('reset_required', 'a new incarnation');
      const size = this.#entries.length;
      if (size > seq || this.#runtime.monotonicMs() - sentAtMs >= headEveryMs) {
        const entries = this.#entries.slice(seq, size).filter((entry) => entry.seq !== this.faults.dropSeq);
        if (entries.length < size - seq) this.faults.dropSeq = undefined;
        seq = size;
        sentAtMs = this.#runtime.monotonicMs();
        yield { entries: entries.map(toWire), head: await this.#head(size, '') };
      }
      await this.#runtime.sleep(5, signal).catch(() => undefined);
    }
    if (signal.reason instanceof Refusal) throw signal.reason;
  }

  async #head(seq: number, nonce: string) {
    const { kid } = this.#signer;
    const { sign } = this.faults.forged ?? this.#signer;
    const issuedAtMs = this.#runtime.nowMs();
    const headHash = this.#hashes[seq] as Uint8Array;
    const statement = { tenantId: this.#tenantId, incarnation: this.incarnation, seq, headHash, issuedAtMs, nonce };
    return {
      tenantId: this.#tenantId,
      incarnation: BigInt(this.incarnation),
      seq: BigInt(seq),
      hash: headHash,
      issuedAtMs: BigInt(issuedAtMs),
      nonce,
      kid,
      signature: await sign(head.headBytes(statement)),
    };
  }
}

function toWire({ seq, kind, payload, createdAtMs }: chain.FeedEntry) {
  return { seq: BigInt(seq), kind, payload, createdAtMs: BigInt(createdAtMs) };
}

function toPosition({ incarnation, seq, hash }: Cursor): cursor.FeedPosition {
  return { incarnation: Number(incarnation), seq: Number(seq), hash };
}
