import type { AgentId, ClientId, GrantId, HostId, RevocationId, SessionId, TokenId, UserId } from '@mono-auth/core/ids';
import { accessTokenTtlSecondsMax } from '@mono-auth/core/limits';
import type { Call, Principal } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import type { RevocationTarget as FeedTarget, receipt } from '@mono-auth/feed-engine';

/** What can be revoked. Everything that descends from it dies with it. */
export type RevocationTarget =
  | { readonly kind: 'token'; readonly id: TokenId }
  | { readonly kind: 'session'; readonly id: SessionId }
  | { readonly kind: 'host'; readonly id: HostId }
  | { readonly kind: 'agent'; readonly id: AgentId }
  | { readonly kind: 'client'; readonly id: ClientId }
  /** Sessions and tokens until now; a person may sign in again. */
  | { readonly kind: 'user'; readonly id: UserId }
  /** What a person allowed a client: its refresh tokens, and every token made from it. */
  | { readonly kind: 'grant'; readonly id: GrantId }
  | { readonly kind: 'tenant' };

/** How many objects of a kind die with a target. */
export interface Casualty {
  readonly kind: string;
  readonly count: number;
}

/**
 * A capability's part in a revocation: it says what dies with a target among its objects, and puts an end to it in the
 * same transaction. For targets that do not concern it, it answers nothing.
 */
export interface RevocationParticipant {
  readonly kind: string;
  /** @throws Refusal `not_found` when the target is the participant's and is not there. */
  preview(tx: TenantTx, target: RevocationTarget): Promise<Casualty[]>;
  /** @throws Refusal `not_found` when the target is the participant's and is not there. */
  apply(tx: TenantTx, call: Call, target: RevocationTarget): Promise<Casualty[]>;
}

/** A revocation as it was ordered. */
export interface Revocation {
  readonly id: RevocationId;
  readonly target: RevocationTarget;
  readonly reason: string;
  /** Whoever has applied this entry of the feed enforces it. */
  readonly feedSeq: number;
  readonly createdBy: Principal;
  readonly createdAtMs: number;
  readonly casualties: readonly Casualty[];
}

/** "enforced at `enforced` of `of`", each enforcement point by name. */
export interface Receipt extends receipt.Receipt {
  readonly revocationId: RevocationId;
  readonly feedSeq: number;
  /** When the last token that it speaks of has expired: verifiers that only use the JWKS refuse from here on. */
  readonly jwksOnlyUntilMs: number;
}

/** The longest life that a client may choose for its access tokens: none that was minted before the revocation outlives it. */
export function jwksOnlyUntilMs(revocation: Revocation): number {
  return revocation.createdAtMs + accessTokenTtlSecondsMax * 1000;
}

/** The target in the words of the feed. */
export function feedTarget(target: RevocationTarget): FeedTarget {
  if (target.kind === 'token') return { kind: 'token', jti: target.id };
  if (target.kind === 'session') return { kind: 'session', sid: target.id };
  return target;
}
