import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { receipt } from '@mono-auth/feed-engine';
import { EnforcementState } from '@mono-auth/proto/monoauth/revocation/v1/revocation';
import type { Receipt } from './revocation.ts';

const states = {
  applied: EnforcementState.APPLIED,
  fenced: EnforcementState.FENCED,
  waiting: EnforcementState.WAITING,
} as const;

function toPoint(point: receipt.EnforcementPoint) {
  const { subscriber: subscriberId, name, state } = point;
  const at = state === 'waiting' ? {} : { at: timestampFromMs(point.atMs) };
  return { subscriberId, name, state: states[state], ...at };
}

/** A receipt in the words of the contract. */
export function toReceipt({ revocationId, feedSeq, enforced, of, points, jwksOnlyUntilMs }: Receipt) {
  return {
    revocationId,
    feedSeq: BigInt(feedSeq),
    enforced,
    registered: of,
    points: points.map(toPoint),
    jwksOnlyUntil: timestampFromMs(jwksOnlyUntilMs),
  };
}
