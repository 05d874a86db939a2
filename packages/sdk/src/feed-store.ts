import { base64url, fromBase64url } from '@mono-auth/core/encoding';
import { isId, type TenantId } from '@mono-auth/core/ids';
import { type cursor, RevocationState } from '@mono-auth/feed-engine';
import type { JWK } from 'jose';

/** What a subscriber keeps over a restart: the pinned root, and the state with the position that it stands for. */
export interface StoredFeed {
  readonly v: 1;
  readonly tenantId: string;
  readonly rootJwk: JWK;
  readonly incarnation: number;
  readonly seq: number;
  /** base64url */
  readonly hash: string;
  /** `RevocationState.toSnapshot` at that position. */
  readonly snapshot: unknown;
}

/** A place for `StoredFeed`, JSON, that nobody but this service may write. */
export interface FeedStore {
  load(): Promise<StoredFeed | undefined>;
  save(stored: StoredFeed): Promise<void>;
}

export interface RestoredFeed {
  readonly tenantId: TenantId;
  readonly rootJwk: JWK;
  readonly position: cursor.FeedPosition;
  readonly state: RevocationState;
}

/** What was stored, when it can still be used; a subscriber without it begins anew, which is only slower. */
export function restoreFeed(stored: StoredFeed | undefined): RestoredFeed | undefined {
  if (stored?.v !== 1 || !isId('ten', stored.tenantId) || !stored.rootJwk) return undefined;
  try {
    const { tenantId, rootJwk, incarnation, seq } = stored;
    const state = RevocationState.fromSnapshot(stored.snapshot);
    if (state.seq !== seq || !Number.isSafeInteger(incarnation)) return undefined;
    return { tenantId, rootJwk, position: { incarnation, seq, hash: fromBase64url(stored.hash) }, state };
  } catch {
    return undefined;
  }
}

export function storedFeed({ tenantId, rootJwk, position, state }: RestoredFeed): StoredFeed {
  const { incarnation, seq, hash } = position;
  return { v: 1, tenantId, rootJwk, incarnation, seq, hash: base64url(hash), snapshot: state.toSnapshot() };
}
