import { createHash } from 'node:crypto';

/** Length of every hash in the tree: SHA-256. */
export const hashBytes = 32;

// Domain separation between leaves and nodes (RFC 6962 §2.1), without which a node could be shown as a leaf.
const leafPrefix = Uint8Array.of(0x00);
const nodePrefix = Uint8Array.of(0x01);

export function sha256(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
}

/** RFC 6962 §2.1: the hash of one entry. */
export function leafHash(entry: Uint8Array): Uint8Array<ArrayBuffer> {
  return sha256(leafPrefix, entry);
}

/** RFC 6962 §2.1: the hash of two neighbouring subtrees. */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array<ArrayBuffer> {
  return sha256(nodePrefix, left, right);
}

/** RFC 6962 §2.1: the root of a tree without entries. */
export function emptyRoot(): Uint8Array<ArrayBuffer> {
  return sha256();
}

/** The root over subtrees that stand side by side, each at most as wide as the one before it. */
export function foldRight(subtrees: readonly Uint8Array[]): Uint8Array {
  return subtrees.length === 0 ? emptyRoot() : subtrees.reduceRight((right, left) => nodeHash(left, right));
}
