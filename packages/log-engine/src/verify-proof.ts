import { equalBytes } from '@mono-auth/core/encoding';
import { isTreeSize } from './compact-range.ts';
import { emptyRoot, hashBytes, nodeHash } from './hash.ts';

export interface InclusionClaim {
  readonly leafHash: Uint8Array;
  readonly index: number;
  readonly size: number;
  readonly root: Uint8Array;
  readonly proof: readonly Uint8Array[];
}

export interface ConsistencyClaim {
  readonly oldSize: number;
  readonly oldRoot: Uint8Array;
  readonly size: number;
  readonly root: Uint8Array;
  readonly proof: readonly Uint8Array[];
}

/** RFC 9162 §2.1.3.2. True only if the leaf stands at `index` in the tree of this size and root. */
export function verifyInclusion(claim: InclusionClaim): boolean {
  const { index, size, proof } = claim;
  if (!isTreeSize(index) || !isTreeSize(size) || index >= size || !allHashes(proof, [claim.leafHash])) return false;
  let [node, lastNode, hash] = [index, size - 1, claim.leafHash];
  for (const sibling of proof) {
    if (lastNode === 0) return false;
    if (node % 2 === 1 || node === lastNode) {
      hash = nodeHash(sibling, hash);
      [node, lastNode] = skipRightEdge(node, lastNode);
    } else {
      hash = nodeHash(hash, sibling);
    }
    [node, lastNode] = parents(node, lastNode);
  }
  return lastNode === 0 && equalBytes(hash, claim.root);
}

/** RFC 9162 §2.1.4.2. True only if the new tree begins with all entries of the old one, unchanged and in order. */
export function verifyConsistency(claim: ConsistencyClaim): boolean {
  const { oldSize, oldRoot, size, root, proof } = claim;
  if (!isTreeSize(oldSize) || !isTreeSize(size) || oldSize > size || !allHashes(proof, [oldRoot, root])) return false;
  if (oldSize === size) return proof.length === 0 && equalBytes(oldRoot, root);
  if (oldSize === 0) return proof.length === 0 && equalBytes(oldRoot, emptyRoot());

  const path = isPowerOfTwo(oldSize) ? [oldRoot, ...proof] : proof;
  const [start, ...siblings] = path;
  if (start === undefined) return false;
  let [node, lastNode] = [oldSize - 1, size - 1];
  while (node % 2 === 1) [node, lastNode] = parents(node, lastNode);
  let [oldHash, newHash] = [start, start];
  for (const sibling of siblings) {
    if (lastNode === 0) return false;
    if (node % 2 === 1 || node === lastNode) {
      oldHash = nodeHash(sibling, oldHash);
      newHash = nodeHash(sibling, newHash);
      [node, lastNode] = skipRightEdge(node, lastNode);
    } else {
      newHash = nodeHash(newHash, sibling);
    }
    [node, lastNode] = parents(node, lastNode);
  }
  return lastNode === 0 && equalBytes(oldHash, oldRoot) && equalBytes(newHash, root);
}

/** On the right edge a node without a sibling is its own parent: go up to where it is a right child (or the first). */
function skipRightEdge(node: number, lastNode: number): [number, number] {
  while (node % 2 === 0 && node !== 0) [node, lastNode] = parents(node, lastNode);
  return [node, lastNode];
}

function parents(node: number, lastNode: number): [number, number] {
  return [Math.floor(node / 2), Math.floor(lastNode / 2)];
}

function isPowerOfTwo(value: number): boolean {
  return Number.isInteger(Math.log2(value)) && 2 ** Math.log2(value) === value;
}

function allHashes(...lists: (readonly Uint8Array[])[]): boolean {
  return lists.flat().every((hash) => hash.length === hashBytes);
}
