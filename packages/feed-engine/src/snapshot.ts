import { Refusal } from '@mono-auth/core/errors';
import { isCount } from './canonical-bytes.ts';
import type { CutKind } from './target.ts';

/** Kind and handle of what was taken away, the entry that did it, and the revocation's id. */
type SnapshotCut = readonly [kind: CutKind, handle: string, seq: number, id: string | null];

/** A `RevocationState` at rest. */
export interface RevocationSnapshot {
  readonly v: 1;
  readonly seq: number;
  readonly epoch: number;
  readonly epochSeq: number;
  readonly cuts: readonly SnapshotCut[];
}

const cutKinds: readonly string[] = [
  'token',
  'session',
  'host',
  'agent',
  'client',
  'user',
  'grant',
  'tenant',
  'key',
] satisfies CutKind[];

/** @throws Refusal `invalid_request` unless `value` is a snapshot of this version in every part. */
export function parseSnapshot(value: unknown): RevocationSnapshot {
  const { v, seq, epoch, epochSeq, cuts } = (typeof value === 'object' && value !== null ? value : {}) as Record<
    string,
    unknown
  >;
  if (v !== 1 || !isCount(seq) || !isCount(epoch) || !isCount(epochSeq) || epochSeq > seq || !Array.isArray(cuts)) {
    throw new Refusal('invalid_request', 'snapshot: not version 1');
  }
  const isCut = (cut: unknown): cut is SnapshotCut => {
    if (!Array.isArray(cut) || cut.length !== 4) return false;
    const [kind, handle, cutSeq, id]: unknown[] = cut;
    const named = typeof kind === 'string' && cutKinds.includes(kind) && typeof handle === 'string';
    return named && isCount(cutSeq) && cutSeq > 0 && cutSeq <= seq && (id === null || typeof id === 'string');
  };
  if (!cuts.every(isCut)) throw new Refusal('invalid_request', 'snapshot: malformed cut');
  return { v, seq, epoch, epochSeq, cuts };
}
