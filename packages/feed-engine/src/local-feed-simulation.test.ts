import { equalBytes, textOf } from '@mono-auth/core/encoding';
import { idFromUuid, type SubscriberId, type TenantId } from '@mono-auth/core/ids';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { entryHash, type FeedEntry, genesisHash } from './chain.ts';
import type { FeedPosition } from './cursor.ts';
import { type VerifiedHead, verifyHead } from './head.ts';
import { leaseMsMin } from './lease-limits.ts';
import { type Acknowledgement, LocalFeed } from './local-feed.ts';
import { encodePayload } from './payload.ts';
import { receiptFor } from './receipt.ts';
import { RevocationState } from './revocation-state.ts';
import { encodeSnapshot, type VerifiedSnapshot, verifySnapshot } from './signed-snapshot.ts';

const tenantId = 'ten_01arz3ndektsv4rrffq69g5fav' as TenantId;
const leaseMs = leaseMsMin;
const tokens = ['t0', 't1', 't2', 't3', 't4', 't5'];
const revocationId = idFromUuid('rev', '01890a5d-ac96-774b-bcce-b30200000001');

/** Signatures are tested beside their makers: here what the server says counts as signed, and only the server speaks. */
const signedBy = () => true;

/** An entry of the server, which token it revokes, and since when it has been in the chain without a break. */
interface Told {
  readonly token: string;
  readonly sinceMs: number;
}

interface Ask {
  readonly nonce: string;
  readonly told: Acknowledgement;
}

/** The server's side: a chain that can be rolled back and recovered, and what it believes of its one subscriber. */
class Server {
  incarnation = 1;
  told: Told[] = [];
  /** What a roll-back lost: an archive off the box gives it back in `recover`. */
  lost: Told[] = [];
  #acks: { seq: number; atMs: number }[] = [];
  #answeredAtMs: number | undefined;

  entries(): FeedEntry[] {
    return this.told.map(({ token }, i) => {
      const target = { kind: 'token', jti: token } as const;
      const payload = encodePayload('revocation', { v: 1, id: revocationId, target, reason: '' });
      return { seq: i + 1, kind: 'revocation', payload, createdAtMs: 0 };
    });
  }

  position(seq = this.told.length): FeedPosition {
    const hash = this.entries().slice(0, seq).reduce(entryHash, genesisHash(tenantId, this.incarnation));
    return { incarnation: this.incarnation, seq, hash };
  }

  holds({ incarnation, seq, hash }: FeedPosition): boolean {
    return incarnation === this.incarnation && seq <= this.told.length && equalBytes(hash, this.position(seq).hash);
  }

  head(seq = this.told.length, nonce = ''): Promise<VerifiedHead> {
    const { incarnation, hash: headHash } = this.position(seq);
    const statement = { tenantId, incarnation, seq, headHash, issuedAtMs: 0, nonce };
    return verifyHead(statement, new Uint8Array(), signedBy);
  }

  async snapshot(): Promise<VerifiedSnapshot> {
    const state = new RevocationState();
    for (const entry of this.entries()) state.apply(entry);
    const { bytes, hash: snapshotHash } = encodeSnapshot(state);
    return verifySnapshot({ tenantId, position: this.position(), snapshotHash }, bytes, new Uint8Array(), signedBy);
  }

  async answer({ nonce, told }: Ask, nowMs: number): Promise<VerifiedHead | undefined> {
    if (!this.holds(told.position)) return undefined;
    this.#acks.push({ seq: told.position.seq, atMs: nowMs });
    this.#answeredAtMs = nowMs;
    return this.head(undefined, nonce);
  }

  /** Whether an operator would be told that entry `seq` is enforced. What went back says nothing until it is recovered. */
  enforced(seq: number, nowMs: number): boolean {
    if (this.lost.length > 0) return false;
    const view = { id: 'sub_1' as SubscriberId, name: 'one', leaseMs, answeredAtMs: this.#answeredAtMs };
    return receiptFor(seq, [{ ...view, acks: this.#acks, registeredAtMs: 0 }], nowMs).enforced === 1;
  }

  rollBack(count: number): void {
    const { length } = this.told;
    this.lost.push(...this.told.slice(length - count));
    this.told = this.told.slice(0, length - count);
  }

  recover(nowMs: number): void {
    this.incarnation++;
    this.told = [...this.told, ...this.lost.splice(0).map(({ token }) => ({ token, sinceMs: nowMs }))];
    this.#acks = [];
    // It cannot know what it had answered before.
    this.#answeredAtMs = nowMs;
  }
}

/** What a consumer keeps over a restart, and (for the reference) the tokens that it has proof of. */
interface Kept {
  readonly position: FeedPosition;
  readonly state: unknown;
  readonly proven: readonly string[];
}

/** One consumer, a network that delays, drops, doubles and reorders, and virtual time. */
class World {
  readonly server = new Server();
  feed = new LocalFeed({ tenantId, leaseMs });
  /**
   * The reference: every token whose revocation this consumer has proof of, in the newest incarnation that it has taken
   * anything of. No cursor, no lease, no reducer. (What a recovery did not bring into a new incarnation is gone for all.)
   */
  #proven = new Set<string>();
  #provenIn = 0;
  nowMs = 10_000;
  wallOffsetMs = 0;
  #nonces = 0;
  readonly #asks: Ask[] = [];
  readonly #answers: { head: VerifiedHead; told: Acknowledgement }[] = [];
  readonly #heads: VerifiedHead[] = [];
  readonly #snapshots: { snapshot: VerifiedSnapshot; tokens: string[] }[] = [];
  #kept: Kept | undefined;

  clock = () => ({ nowMs: this.nowMs + this.wallOffsetMs, monotonicMs: this.nowMs });

  accepts(token: string): boolean {
    if (!this.feed.isFresh(this.clock())) return false;
    return !this.feed.state.isRevoked({ jti: token, sub: 'user:x', ep: 0, fs: 0 }).revoked;
  }

  revoke(n: number): void {
    this.server.told.push({ token: tokens[n % tokens.length] as string, sinceMs: this.nowMs });
  }

  /** One message of the stream from the cursor on; `fault` spoils it. Without a cursor: from the first entry. */
  async stream(fault: 'none' | 'lost' | 'doubled' | 'early' | 'old head'): Promise<void> {
    const at = this.feed.position;
    if (at && !this.server.holds(at)) return this.feed.reset();
    const entries = this.server.entries().slice(at?.seq ?? 0);
    const head = await this.server.head();
    this.#heads.push(head);
    const spoilt = {
      none: entries,
      lost: entries.slice(1),
      doubled: [...entries.slice(0, 1), ...entries],
      early: entries.slice(0, -1),
      'old head': [],
    }[fault];
    this.#attempt(() => {
      const taken = this.feed.take(spoilt, fault === 'old head' ? (this.#heads[0] as VerifiedHead) : head);
      this.#prove(taken.map(({ payload }) => JSON.parse(textOf(payload)).target.jti));
    });
  }

  ask(): void {
    const nonce = `n${this.#nonces++}`;
    const told = this.feed.acknowledge(nonce, this.clock());
    if (told) this.#asks.push({ nonce, told });
  }

  /** The server handles one request that is on its way, which stays to be handled again. */
  async handle(n: number): Promise<void> {
    const ask = this.#asks[n % this.#asks.length];
    const head = ask && (await this.server.answer(ask, this.nowMs));
    if (ask && head) this.#answers.push({ head, told: ask.told });
  }

  /** One answer arrives, sooner or later, perhaps again. */
  deliver(n: number): void {
    const answer = this.#answers[n % this.#answers.length];
    if (answer) this.#attempt(() => this.feed.answered(answer.head, answer.told, this.clock()));
  }

  /** Takes a snapshot: the present one, or (old ≥ 0) one that was made some time ago. */
  async takeSnapshot(old: number): Promise<void> {
    const { proven } = this.feed;
    const refused = proven && proven.incarnation >= this.server.incarnation && !this.server.holds(proven);
    if (old < 0 && refused) return;
    if (old < 0) {
      this.#snapshots.push({ snapshot: await this.server.snapshot(), tokens: this.server.told.map((t) => t.token) });
    }
    const found = this.#snapshots.at(old < 0 ? -1 : old % this.#snapshots.length);
    if (!found) return;
    const { snapshot } = found;
    const state = RevocationState.fromSnapshot(snapshot.state.toSnapshot());
    this.#attempt(() => {
      this.feed.takeSnapshot({ ...snapshot, state });
      this.#prove(found.tokens);
    });
  }

  save(): void {
    const { position, state } = this.feed;
    if (position) this.#kept = { position, state: state.toSnapshot(), proven: [...this.#proven] };
  }

  restart(withStore: boolean): void {
    const kept = withStore ? this.#kept : undefined;
    const restored = kept && { position: kept.position, state: RevocationState.fromSnapshot(kept.state) };
    this.feed = new LocalFeed({ tenantId, leaseMs, restored });
    this.#proven = new Set(kept?.proven);
    this.#provenIn = kept?.position.incarnation ?? 0;
  }

  #prove(found: readonly string[]): void {
    const { incarnation = 0 } = this.feed.position ?? {};
    if (incarnation > this.#provenIn) this.#proven = new Set();
    this.#provenIn = incarnation;
    for (const token of found) this.#proven.add(token);
  }

  #attempt(step: () => void): void {
    try {
      step();
    } catch (error) {
      expect(['reset_required', 'verification_failed']).toContain((error as { reason?: unknown }).reason);
    }
  }

  /** What must hold at every moment. */
  check(): void {
    const { server, nowMs } = this;
    for (const token of tokens.filter((name) => this.accepts(name))) {
      expect([...this.#proven], 'what it has proof of, it refuses').not.toContain(token);
      for (const [i, told] of server.told.entries()) {
        if (told.token !== token) continue;
        expect(told.sinceMs, 'what was revoked a lease ago, it refuses').toBeGreaterThan(nowMs - leaseMs);
        expect(server.enforced(i + 1, nowMs), 'what is told as enforced, it refuses').toBe(false);
      }
    }
  }

  pass(ms: number): void {
    this.nowMs += ms;
  }

  turnBack(ms: number): void {
    this.wallOffsetMs -= ms;
  }

  /** What the SDK does over and over, with nothing in its way. */
  async round(): Promise<void> {
    if (!this.feed.position) await this.takeSnapshot(-1);
    await this.stream('none');
    this.ask();
    await this.handle(this.#asks.length - 1);
    this.deliver(this.#answers.length - 1);
  }

  async settle(): Promise<void> {
    if (this.server.lost.length > 0) this.server.recover(this.nowMs);
    for (let i = 0; i < 4; i++) await this.round();
  }
}

/** What may happen, and how often beside the others; each with a number that says how much, or which. */
const weights = {
  revoke: 6,
  pass: 6,
  round: 8,
  stream: 5,
  spoil: 2,
  ask: 5,
  handle: 5,
  deliver: 5,
  takeSnapshot: 4,
  takeOldSnapshot: 2,
  save: 1,
  restart: 1,
  reset: 1,
  clockBack: 1,
  rollBack: 1,
  recover: 1,
};
type Move = keyof typeof weights;
const moves = Object.entries(weights).map(([move, weight]) => ({ weight, arbitrary: fc.constant(move as Move) }));
const steps = fc.array(fc.tuple(fc.oneof(...moves), fc.nat(700)), { minLength: 10, maxLength: 80 });
const faults = ['lost', 'doubled', 'early', 'old head'] as const;

async function play(world: World, move: Move, n: number): Promise<void> {
  const { server } = world;
  const plays: Record<Move, () => void | Promise<void>> = {
    revoke: () => world.revoke(n),
    pass: () => world.pass(n),
    round: () => world.round(),
    stream: () => world.stream('none'),
    spoil: () => world.stream(faults[n % faults.length] as (typeof faults)[number]),
    ask: () => world.ask(),
    handle: () => world.handle(n),
    deliver: () => world.deliver(n),
    takeSnapshot: () => world.takeSnapshot(-1),
    takeOldSnapshot: () => world.takeSnapshot(n),
    save: () => world.save(),
    restart: () => world.restart(n % 2 === 0),
    reset: () => world.feed.reset(),
    clockBack: () => world.turnBack(n),
    rollBack: () => server.rollBack(Math.min(server.told.length, n % 4)),
    recover: () => server.recover(world.nowMs),
  };
  await plays[move]();
}

test('whatever happens, a consumer that says it is live accepts nothing that was revoked; left in peace it is live', async () => {
  let accepted = 0;
  let moments = 0;
  const property = fc.asyncProperty(steps, async (script) => {
    const world = new World();
    for (const [move, n] of script) {
      await play(world, move, n);
      world.check();
      moments++;
      if (tokens.some((token) => world.accepts(token))) accepted++;
    }
    await world.settle();
    world.check();
    const state = await world.server.snapshot();
    expect(world.feed.status(world.clock())).toBe('live');
    expect(world.feed.position).toEqual(state.position);
    expect(world.feed.state.toSnapshot()).toEqual(state.state.toSnapshot());
  });
  await fc.assert(property, { numRuns: 400 });
  // The guarantee would be kept by one that never accepts anything, too.
  expect(accepted / moments).toBeGreaterThan(0.1);
}, 60_000);
