import { equalBytes } from '@mono-auth/core/encoding';
import { Refusal } from '@mono-auth/core/errors';
import type { SubscriberId } from '@mono-auth/core/ids';
import type { FeedPosition } from './cursor.ts';
import { leaseDriftFactor, leaseMarginMs } from './lease-limits.ts';

/** That a subscriber said at `atMs` (the server's clock) that it has applied everything up to `seq`. */
export interface AppliedMark {
  readonly seq: number;
  readonly atMs: number;
}

/** What the server knows of one registered enforcement point. */
export interface SubscriberView {
  readonly id: SubscriberId;
  readonly name: string;
  readonly leaseMs: number;
  /** Its acknowledgements, oldest first; the newest alone is enough, the older ones tell when exactly. */
  readonly acks: readonly AppliedMark[];
  /**
   * When a nonce of it was last answered, by any process of the server. Absent when none ever was: it holds no lease.
   * A server that does not know (it has restarted) gives the moment of its start.
   */
  readonly answeredAtMs: number | undefined;
  readonly registeredAtMs: number;
}

export type EnforcementPoint = { readonly subscriber: SubscriberId; readonly name: string } & (
  | { readonly state: 'applied'; readonly atMs: number }
  /** Its lease has ended: it refuses by itself, whether it heard or not. */
  | { readonly state: 'fenced'; readonly atMs: number }
  /** It may still trust itself until then, unless another nonce of it is answered. */
  | { readonly state: 'waiting'; readonly untilMs: number }
);

/** "enforced at `enforced` of `of`". */
export interface Receipt {
  readonly enforced: number;
  readonly of: number;
  readonly points: readonly EnforcementPoint[];
}

/** Who enforces entry `targetSeq` by `nowMs`. Order of the points is that of the subscribers. */
export function receiptFor(targetSeq: number, subscribers: readonly SubscriberView[], nowMs: number): Receipt {
  const points = subscribers.map((view) => enforcementPoint(targetSeq, view, nowMs));
  const enforced = points.filter(({ state }) => state !== 'waiting').length;
  return { enforced, of: points.length, points };
}

function enforcementPoint(targetSeq: number, view: SubscriberView, nowMs: number): EnforcementPoint {
  const subscriber = { subscriber: view.id, name: view.name };
  const ack = view.acks.find(({ seq }) => seq >= targetSeq);
  if (ack !== undefined) return { ...subscriber, state: 'applied', atMs: ack.atMs };
  const untilMs = leaseEndsMs(view);
  return nowMs < untilMs
    ? { ...subscriber, state: 'waiting', untilMs }
    : { ...subscriber, state: 'fenced', atMs: untilMs };
}

/** From here on, by the server's clock, the subscriber cannot believe that its lease holds. */
function leaseEndsMs({ leaseMs, answeredAtMs, registeredAtMs }: SubscriberView): number {
  // Its lease began when it sent the nonce, which was before we answered.
  return answeredAtMs === undefined
    ? registeredAtMs
    : Math.ceil(answeredAtMs + leaseMs * leaseDriftFactor + leaseMarginMs);
}

/**
 * Whether an acknowledgement may be believed: it speaks of this incarnation, of no more than was sent to the subscriber,
 * and of the same entries.
 * @throws Refusal `reset_required` for another incarnation or other entries; `invalid_request` for more than was sent.
 */
export function checkAcknowledgement(
  applied: FeedPosition,
  sent: { readonly incarnation: number; readonly seq: number },
  hashAt: (seq: number) => Uint8Array,
): void {
  if (applied.incarnation !== sent.incarnation) throw new Refusal('reset_required', 'the feed has a new incarnation');
  if (applied.seq > sent.seq) throw new Refusal('invalid_request', 'applied.seq: more than this subscriber was sent');
  if (!equalBytes(applied.hash, hashAt(applied.seq))) {
    throw new Refusal('reset_required', 'what was applied is not what this feed holds');
  }
}
