import { Refusal } from '@mono-auth/core/errors';
import type { FeedEntry } from './chain.ts';
import { type EntryKind, isEntryKind, parsePayload } from './payload.ts';
import { parseSnapshot, type RevocationSnapshot } from './snapshot.ts';
import { type CutKind, type TargetKind, targetHandle } from './target.ts';

/** The claims of a token by which it can die (architecture section 5), signature already verified. */
export interface RevocableClaims {
  readonly jti: string;
  readonly sub: string;
  readonly sid?: string | undefined;
  readonly client_id?: string | undefined;
  /** RFC 8693 §4.1. */
  readonly act?: ActClaim | undefined;
  readonly grants?: readonly string[] | undefined;
  /** `jti` of the tokens this one was made from. */
  readonly pjti?: readonly string[] | undefined;
  /** Clients that those were issued to. */
  readonly pcid?: readonly string[] | undefined;
  /** Epoch of the tenant when it was minted. */
  readonly ep: number;
  /** The feed sequence its minter had applied. */
  readonly fs: number;
  /** From the token's header, when the caller has it. */
  readonly kid?: string | undefined;
}

export interface ActClaim {
  readonly sub: string;
  readonly act?: ActClaim | undefined;
}

/** What killed a token. */
export type RevokedBy = TargetKind | 'epoch' | 'key';

export type RevocationVerdict =
  | { readonly revoked: false }
  /** The latest entry that refuses it; `id` is that of the revocation, absent for an epoch or a key. */
  | { readonly revoked: true; readonly seq: number; readonly why: RevokedBy; readonly id?: string };

/** One entry that refuses a token, and the handle that it speaks of: empty for the tenant and its epoch. */
export interface TokenRefusal {
  readonly seq: number;
  readonly why: RevokedBy;
  readonly handle: string;
  /** Of the revocation; absent for an epoch or a key. */
  readonly id?: string;
}

/** The latest entry that speaks of one handle. */
export interface Cut {
  readonly seq: number;
  readonly id?: string | undefined;
}

/**
 * What a tenant's feed has taken away so far, in memory.
 *
 * A cut-off compares `fs`, never `iat`: a token minted by somebody who had not yet applied entry S (`fs` < S) is refused
 * whatever its clock said; one minted with S applied (`fs` >= S) was minted in spite of it, knowingly. Tokens, sessions
 * and keys never come back, so for these `fs` does not count.
 */
export class RevocationState {
  #seq = 0;
  #epoch = 0;
  #epochSeq = 0;
  readonly #cuts = new Map<CutKind, Map<string, Cut>>();

  /** The last entry applied: what a minter writes into `fs`. */
  get seq(): number {
    return this.#seq;
  }

  /** The tenant's epoch: what a minter writes into `ep`. */
  get epoch(): number {
    return this.#epoch;
  }

  /** Cut-offs held: what the size of a snapshot depends on. */
  get cutCount(): number {
    let count = 0;
    for (const handles of this.#cuts.values()) count += handles.size;
    return count;
  }

  /**
   * Takes the next entry; only proven ones (see `applyBatch`) belong here. Unknown kinds change nothing but `seq`.
   * @throws Refusal `reset_required` when it is not the next one, `invalid_request` when its payload is not understood.
   * Either way nothing has changed, and the consumer stays where it is: stale, therefore closed.
   */
  apply(entry: FeedEntry): void {
    if (entry.seq !== this.#seq + 1) {
      throw new Refusal('reset_required', `entry ${entry.seq} does not follow ${this.#seq}`);
    }
    if (isEntryKind(entry.kind)) this.#take(entry.kind, entry);
    this.#seq = entry.seq;
  }

  /** Whether the token is refused. Constant time in the size of the state. */
  isRevoked(claims: RevocableClaims): RevocationVerdict {
    let latest: { seq: number; why: RevokedBy; id?: string | undefined } | undefined;
    const refuse = (why: RevokedBy, cut: Cut | undefined, counts = true) => {
      if (counts && cut !== undefined && cut.seq > (latest?.seq ?? -1)) latest = { ...cut, why };
    };
    // A comparison with what is no number is false: written so that such a token is refused.
    const outrun = (cut: Cut | undefined) => cut !== undefined && !(claims.fs >= cut.seq);

    for (const jti of [claims.jti, ...(claims.pjti ?? [])]) refuse('token', this.#cut('token', jti));
    if (claims.sid !== undefined) refuse('session', this.#cut('session', claims.sid));
    if (claims.kid !== undefined) refuse('key', this.#cut('key', claims.kid));
    for (const [kind, handle] of cutOffHandles(claims)) {
      const cut = this.#cut(kind, handle);
      refuse(kind, cut, outrun(cut));
    }
    refuse('epoch', { seq: this.#epochSeq }, !(claims.ep >= this.#epoch));
    if (latest === undefined) return { revoked: false };
    const { seq, why, id } = latest;
    return id === undefined ? { revoked: true, seq, why } : { revoked: true, seq, why, id };
  }

  /**
   * Every handle of the token by which it is refused, with the latest entry that speaks of it; the latest first. For who
   * explains a token: `isRevoked` names the first of these, and is what a verifier asks.
   */
  refusals(claims: RevocableClaims): TokenRefusal[] {
    const { jti, sid, kid, pjti = [] } = claims;
    const found: TokenRefusal[] = [];
    const add = (why: RevokedBy, handle: string, cut: Cut | undefined) => {
      if (cut === undefined || found.some((other) => other.why === why && other.handle === handle)) return;
      found.push({ seq: cut.seq, why, handle, ...(cut.id !== undefined && { id: cut.id }) });
    };
    for (const each of [jti, ...pjti]) add('token', each, this.#cut('token', each));
    if (sid !== undefined) add('session', sid, this.#cut('session', sid));
    if (kid !== undefined) add('key', kid, this.#cut('key', kid));
    for (const [kind, handle] of cutOffHandles(claims)) {
      const cut = this.#cut(kind, handle);
      if (cut !== undefined && !(claims.fs >= cut.seq)) add(kind, handle, cut);
    }
    if (!(claims.ep >= this.#epoch)) add('epoch', '', { seq: this.#epochSeq });
    return found.sort((a, b) => b.seq - a.seq);
  }

  /** The whole state as JSON; equal states make equal snapshots. */
  toSnapshot(): RevocationSnapshot {
    const cuts = [...this.#cuts].flatMap(([kind, handles]) =>
      [...handles].map(([handle, { seq, id }]) => [kind, handle, seq, id ?? null] as const),
    );
    cuts.sort((a, b) => (`${a[0]} ${a[1]}` < `${b[0]} ${b[1]}` ? -1 : 1));
    return { v: 1, seq: this.#seq, epoch: this.#epoch, epochSeq: this.#epochSeq, cuts };
  }

  /** @throws Refusal `invalid_request` when `snapshot` is not what `toSnapshot` returns. */
  static fromSnapshot(snapshot: unknown): RevocationState {
    const { seq, epoch, epochSeq, cuts } = parseSnapshot(snapshot);
    const state = new RevocationState();
    for (const [kind, handle, cutSeq, id] of cuts) state.#put(kind, handle, { seq: cutSeq, id: id ?? undefined });
    state.#seq = seq;
    state.#epoch = epoch;
    state.#epochSeq = epochSeq;
    return state;
  }

  #take(kind: EntryKind, { seq, payload }: FeedEntry): void {
    if (kind === 'revocation') {
      const { id, target } = parsePayload(kind, payload);
      this.#put(target.kind, targetHandle(target), { seq, id });
    } else if (kind === 'epoch') {
      const { epoch } = parsePayload(kind, payload);
      // An epoch only ever advances.
      if (epoch > this.#epoch) [this.#epoch, this.#epochSeq] = [epoch, seq];
    } else if (kind === 'key') {
      const { kid, state } = parsePayload(kind, payload);
      if (state === 'revoked') this.#put('key', kid, { seq });
    } else {
      // Changes nothing here, but what is malformed is not passed over.
      parsePayload(kind, payload);
    }
  }

  #put(kind: CutKind, handle: string, cut: Cut): void {
    const handles = this.#cuts.get(kind) ?? new Map<string, Cut>();
    this.#cuts.set(kind, handles.set(handle, cut));
  }

  #cut(kind: CutKind, handle: string): Cut | undefined {
    return this.#cuts.get(kind)?.get(handle);
  }
}

/** Every handle of a token whose cut-off compares `fs`. */
function* cutOffHandles(claims: RevocableClaims): Generator<[TargetKind, string]> {
  yield ['tenant', ''];
  if (claims.client_id !== undefined) yield ['client', claims.client_id];
  for (const client of claims.pcid ?? []) yield ['client', client];
  for (const grant of claims.grants ?? []) yield ['grant', grant];
  let principal: ActClaim | undefined = { sub: claims.sub, act: claims.act };
  while (principal !== undefined) {
    const kind = principalKinds[principal.sub.slice(0, principal.sub.indexOf(':') + 1)];
    if (kind !== undefined) yield [kind, principal.sub.slice(principal.sub.indexOf(':') + 1)];
    principal = principal.act;
  }
}

/** Principal URIs; a service is a client. */
const principalKinds: Readonly<Record<string, TargetKind>> = {
  'user:': 'user',
  'host:': 'host',
  'agent:': 'agent',
  'client:': 'client',
  'service:': 'client',
};
