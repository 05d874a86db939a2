/** A complete subtree: `level` 0 is a leaf, and node `index` of a level covers leaves [index·2^level, (index+1)·2^level). */
export interface NodeRef {
  readonly level: number;
  readonly index: number;
}

/** Reads the stored hash of a complete subtree. Throws when it is not stored. */
export type GetNode = (level: number, index: number) => Uint8Array;

/**
 * The fewest complete subtrees that cover leaves [begin, end), from left to right. For begin 0 this is the tree's
 * frontier (its right edge), which is all the state an append needs.
 */
export function coverRange(begin: number, end: number): NodeRef[] {
  const cover: NodeRef[] = [];
  let at = begin;
  while (at < end) {
    let level = 0;
    // Arithmetic instead of bit operators: those stop at 32 bits.
    while (at % 2 ** (level + 1) === 0 && at + 2 ** (level + 1) <= end) level++;
    cover.push({ level, index: at / 2 ** level });
    at += 2 ** level;
  }
  return cover;
}

/** Whether `value` can be a number of leaves or a place among them. */
export function isTreeSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
