import * as chain from './chain.ts';
import * as cursor from './cursor.ts';
import * as frames from './frames.ts';
import * as head from './head.ts';
import * as leaseLimits from './lease-limits.ts';
import * as payload from './payload.ts';
import * as receipt from './receipt.ts';
import * as snapshot from './signed-snapshot.ts';

export type { ClockReading } from './lease.ts';
export { type Acknowledgement, type FeedStatus, LocalFeed, type LocalFeedOptions } from './local-feed.ts';
export type { ActClaim, RevocableClaims, RevocationVerdict, RevokedBy, TokenRefusal } from './revocation-state.ts';
export { RevocationState } from './revocation-state.ts';
export type { RevocationSnapshot } from './snapshot.ts';
export type { RevocationTarget, TargetKind } from './target.ts';
export { chain, cursor, frames, head, leaseLimits, payload, receipt, snapshot };
