import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { receipt } from '@mono-auth/feed-engine';
import { EnforcementState, type Target } from '@mono-auth/proto/monoauth/revocation/v1/revocation';
import type { Receipt, RevocationTarget } from './revocation.ts';

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

/** The target as the contract names it. */
export function targetToProto(target: RevocationTarget): Pick<Target, 'target'> {
  switch (target.kind) {
    case 'token':
      return { target: { case: 'tokenId', value: target.id } };
    case 'session':
      return { target: { case: 'sessionId', value: target.id } };
    case 'host':
      return { target: { case: 'hostId', value: target.id } };
    case 'agent':
      return { target: { case: 'agentId', value: target.id } };
    case 'client':
      return { target: { case: 'clientId', value: target.id } };
    case 'user':
      return { target: { case: 'userId', value: target.id } };
    case 'grant':
      return { target: { case: 'grantId', value: target.id } };
    case 'tenant':
      return { target: { case: 'tenant', value: true } };
  }
}
