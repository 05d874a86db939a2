import { coverRange, isTreeSize, type NodeRef } from './compact-range.ts';
import { foldRight, hashBytes, nodeHash } from './hash.ts';

/** A complete subtree with its hash: what a store keeps so that proofs can be made later. */
export interface TreeNode extends NodeRef {
  readonly hash: Uint8Array;
}

/** All that must be stored to go on appending: the size and the hashes of `coverRange(0, size)`. */
export interface TreeState {
  readonly size: number;
  readonly frontier: readonly Uint8Array[];
}

/** Grows a Merkle tree (RFC 6962 §2.1) from its stored right edge; memory is logarithmic in the size. */
export class TreeBuilder {
  #size: number;
  readonly #frontier: Uint8Array[];

  /** @throws RangeError when the frontier cannot be that of a tree of this size. */
  constructor(state: TreeState = { size: 0, frontier: [] }) {
    const fits = isTreeSize(state.size) && state.frontier.length === coverRange(0, state.size).length;
    if (!fits || state.frontier.some((hash) => hash.length !== hashBytes)) {
      throw new RangeError(`not the frontier of a tree of size ${state.size}`);
    }
    this.#size = state.size;
    this.#frontier = [...state.frontier];
  }

  get size(): number {
    return this.#size;
  }

  frontier(): Uint8Array[] {
    return [...this.#frontier];
  }

  root(): Uint8Array {
    return foldRight(this.#frontier);
  }

  /** Adds one leaf. Returns every subtree that it completes, the leaf itself first: these are to be stored. */
  append(leaf: Uint8Array): TreeNode[] {
    return this.appendSubtree(0, leaf);
  }

  /**
   * Adds 2^level leaves of which only the subtree's hash is known. Returns the subtrees this completes.
   * @throws RangeError when such a subtree cannot begin at the present size.
   */
  appendSubtree(level: number, subtree: Uint8Array): TreeNode[] {
    const width = 2 ** level;
    if (this.#size % width !== 0 || !isTreeSize(this.#size + width) || subtree.length !== hashBytes) {
      throw new RangeError(`no subtree of level ${level} begins at ${this.#size}`);
    }
    let node: TreeNode = { level, index: this.#size / width, hash: subtree };
    const completed = [node];
    while (node.index % 2 === 1) {
      const left = this.#frontier.pop() as Uint8Array;
      node = { level: node.level + 1, index: (node.index - 1) / 2, hash: nodeHash(left, node.hash) };
      completed.push(node);
    }
    this.#frontier.push(node.hash);
    this.#size += width;
    return completed;
  }
}
