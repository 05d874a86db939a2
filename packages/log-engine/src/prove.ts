import { Refusal } from '@mono-auth/core/errors';
import { coverRange, type GetNode, isTreeSize, type NodeRef } from './compact-range.ts';
import { foldRight } from './hash.ts';

type LeafRange = readonly [begin: number, end: number];

/** RFC 6962 §2.1.1, PATH(index, D[size]): the sibling hashes from the leaf up to the root. */
export function inclusionProof(index: number, size: number, getNode: GetNode): Uint8Array[] {
  return inclusionRanges(index, size).map((range) => rangeRoot(range, getNode));
}

/** The stored subtrees that `inclusionProof` will read, so that a store can load them in one query. */
export function inclusionNodes(index: number, size: number): NodeRef[] {
  return inclusionRanges(index, size).flatMap(([begin, end]) => coverRange(begin, end));
}

/** RFC 6962 §2.1.2, PROOF(oldSize, D[size]): the hashes that show the old tree as a prefix of the new one. */
export function consistencyProof(oldSize: number, size: number, getNode: GetNode): Uint8Array[] {
  return consistencyRanges(oldSize, size).map((range) => rangeRoot(range, getNode));
}

/** The stored subtrees that `consistencyProof` will read. */
export function consistencyNodes(oldSize: number, size: number): NodeRef[] {
  return consistencyRanges(oldSize, size).flatMap(([begin, end]) => coverRange(begin, end));
}

function inclusionRanges(index: number, size: number): LeafRange[] {
  if (!isTreeSize(size) || !isTreeSize(index) || index >= size) {
    throw new Refusal('invalid_request', `index: must be below the tree size ${size}`);
  }
  const siblings: LeafRange[] = [];
  let [begin, end] = [0, size];
  while (end - begin > 1) {
    const middle = begin + splitPoint(end - begin);
    siblings.unshift(index < middle ? [middle, end] : [begin, middle]);
    [begin, end] = index < middle ? [begin, middle] : [middle, end];
  }
  return siblings;
}

function consistencyRanges(oldSize: number, size: number): LeafRange[] {
  if (!isTreeSize(size) || !isTreeSize(oldSize) || oldSize > size) {
    throw new Refusal('invalid_request', `old_size: must not exceed the tree size ${size}`);
  }
  // Nothing has to be shown: every tree extends the empty one, and itself.
  if (oldSize === 0 || oldSize === size) return [];
  const hashes: LeafRange[] = [];
  let [begin, end] = [0, size];
  while (end !== oldSize) {
    const middle = begin + splitPoint(end - begin);
    hashes.unshift(oldSize <= middle ? [middle, end] : [begin, middle]);
    [begin, end] = oldSize <= middle ? [begin, middle] : [middle, end];
  }
  // SUBPROOF(m, D[m], true) is empty: the verifier already holds the old root.
  return begin === 0 ? hashes : [[begin, end], ...hashes];
}

/** The largest power of two below `width`: where RFC 6962 §2.1 splits a list. */
function splitPoint(width: number): number {
  let split = 1;
  while (split * 2 < width) split *= 2;
  return split;
}

function rangeRoot([begin, end]: LeafRange, getNode: GetNode): Uint8Array {
  return foldRight(coverRange(begin, end).map(({ level, index }) => getNode(level, index)));
}
