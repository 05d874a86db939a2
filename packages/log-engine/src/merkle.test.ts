import { equalBytes, hex, utf8 } from '@mono-auth/core/encoding';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as merkle from './merkle.ts';

// The test tree of the Certificate Transparency reference implementation (merkle_tree_test.cc).
const publishedLeaves = [
  '',
  '00',
  '10',
  '2021',
  '3031',
  '40414243',
  '5051525354555657',
  '606162636465666768696a6b6c6d6e6f',
];
const publishedRoots = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];

interface GrownTree {
  readonly leaves: Uint8Array[];
  /** roots[n] is the root at size n. */
  readonly roots: Uint8Array[];
  readonly getNode: merkle.GetNode;
}

function growTree(entries: readonly Uint8Array[]): GrownTree {
  const stored = new Map<string, Uint8Array>();
  const leaves = entries.map(merkle.leafHash);
  const roots = [merkle.emptyRoot() as Uint8Array];
  let state: merkle.TreeState = { size: 0, frontier: [] };
  for (const leaf of leaves) {
    // Restored before every append, as a server that restarts each time would.
    const builder = new merkle.TreeBuilder(state);
    for (const { level, index, hash } of builder.append(leaf)) stored.set(`${level}/${index}`, hash);
    state = { size: builder.size, frontier: builder.frontier() };
    roots.push(builder.root());
  }
  const getNode = (level: number, index: number) => {
    const hash = stored.get(`${level}/${index}`);
    if (hash === undefined) throw new Error(`node ${level}/${index} was never completed`);
    return hash;
  };
  return { leaves, roots, getNode };
}

/** RFC 6962 §2.1, as it is written there. */
function rootByDefinition(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return merkle.emptyRoot();
  if (leaves.length === 1) return leaves[0] as Uint8Array;
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  return merkle.nodeHash(rootByDefinition(leaves.slice(0, split)), rootByDefinition(leaves.slice(split)));
}

function flipBit(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  const at = (bit >> 3) % copy.length;
  copy[at] = (copy[at] as number) ^ (1 << (bit & 7));
  return copy;
}

const largest = 64;
const grown = growTree(Array.from({ length: largest }, (_, i) => utf8(`entry ${i}`)));
const root = (size: number) => grown.roots[size] as Uint8Array;
const leaf = (index: number) => grown.leaves[index] as Uint8Array;

describe('known answers', () => {
  test('the published tree has the published root at every size', () => {
    const tree = growTree(publishedLeaves.map((text) => Buffer.from(text, 'hex')));
    expect(tree.roots.map(hex)).toEqual(publishedRoots);
  });

  test('the published consistency proof from 6 to 8 is made and verified', () => {
    const tree = growTree(publishedLeaves.map((text) => Buffer.from(text, 'hex')));
    const proof = merkle.consistencyProof(6, 8, tree.getNode);
    expect(proof.map(hex)).toEqual([
      '0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a',
      'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    ]);
    const [oldRoot, newRoot] = [tree.roots[6] as Uint8Array, tree.roots[8] as Uint8Array];
    expect(merkle.verifyConsistency({ oldSize: 6, oldRoot, size: 8, root: newRoot, proof })).toBe(true);
  });

  test('the published inclusion proof of the first of eight leaves is made', () => {
    const tree = growTree(publishedLeaves.map((text) => Buffer.from(text, 'hex')));
    expect(merkle.inclusionProof(0, 8, tree.getNode).map(hex)).toEqual([
      '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
    ]);
  });
});

describe('every size from 0 to 64', () => {
  test('a tree grown from its stored frontier has the root of the definition', () => {
    for (let size = 0; size <= largest; size++) {
      expect(hex(root(size))).toBe(hex(rootByDefinition(grown.leaves.slice(0, size))));
    }
  });

  test('every leaf proves its inclusion, and only at its own index', () => {
    for (let size = 1; size <= largest; size++) {
      for (let index = 0; index < size; index++) {
        const proof = merkle.inclusionProof(index, size, grown.getNode);
        const claim = { leafHash: leaf(index), index, size, root: root(size), proof };
        expect(merkle.verifyInclusion(claim)).toBe(true);
        if (size > 1) expect(merkle.verifyInclusion({ ...claim, index: (index + 1) % size })).toBe(false);
        expect(merkle.verifyInclusion({ ...claim, proof: [...proof, root(1)] })).toBe(false);
        if (proof.length > 0) expect(merkle.verifyInclusion({ ...claim, proof: proof.slice(1) })).toBe(false);
      }
    }
  });

  test('every older tree proves that it is a prefix, and no other root does', () => {
    for (let size = 0; size <= largest; size++) {
      for (let oldSize = 0; oldSize <= size; oldSize++) {
        const proof = merkle.consistencyProof(oldSize, size, grown.getNode);
        const claim = { oldSize, oldRoot: root(oldSize), size, root: root(size), proof };
        expect(merkle.verifyConsistency(claim)).toBe(true);
        expect(merkle.verifyConsistency({ ...claim, oldRoot: flipBit(root(oldSize), size) })).toBe(false);
        expect(merkle.verifyConsistency({ ...claim, proof: [...proof, root(1)] })).toBe(false);
        // A proof from the empty tree is empty and says nothing about the new root.
        if (oldSize > 0) expect(merkle.verifyConsistency({ ...claim, root: flipBit(root(size), 7) })).toBe(false);
      }
    }
  });

  test('the announced nodes are exactly those a proof reads', () => {
    const record = (reads: Set<string>) => (level: number, index: number) => {
      reads.add(`${level}/${index}`);
      return grown.getNode(level, index);
    };
    const names = (nodes: merkle.NodeRef[]) => new Set(nodes.map(({ level, index }) => `${level}/${index}`));
    for (let size = 1; size <= largest; size++) {
      const [inclusion, consistency] = [new Set<string>(), new Set<string>()];
      merkle.inclusionProof(size >> 1, size, record(inclusion));
      merkle.consistencyProof(size >> 1, size, record(consistency));
      expect(inclusion).toEqual(names(merkle.inclusionNodes(size >> 1, size)));
      expect(consistency).toEqual(names(merkle.consistencyNodes(size >> 1, size)));
    }
  });
});

test('a proof with any one bit changed proves nothing', () => {
  const places = fc
    .integer({ min: 2, max: largest })
    .chain((size) => fc.tuple(fc.constant(size), fc.nat(size - 1), fc.nat()));
  fc.assert(
    fc.property(places, ([size, index, bit]) => {
      const proof = merkle.inclusionProof(index, size, grown.getNode);
      const broken = proof.map((hash, i) => (i === bit % proof.length ? flipBit(hash, bit >> 3) : hash));
      const claim = { leafHash: leaf(index), index, size, root: root(size) };
      expect(merkle.verifyInclusion({ ...claim, proof: broken })).toBe(false);

      const path = merkle.consistencyProof(index, size, grown.getNode);
      if (path.length === 0) return;
      const bent = path.map((hash, i) => (i === bit % path.length ? flipBit(hash, bit >> 3) : hash));
      const prefix = { oldSize: index, oldRoot: root(index), size, root: root(size) };
      expect(merkle.verifyConsistency({ ...prefix, proof: bent })).toBe(false);
    }),
  );
});

test('a subtree cannot pass as a leaf, nor a tree as one of another size', () => {
  // The shape decides: these hashes do lead to the root.
  const subtree = grown.getNode(1, 0);
  const proof = [grown.getNode(1, 1)];
  expect(merkle.verifyInclusion({ leafHash: subtree, index: 0, size: 4, root: root(4), proof })).toBe(false);
  expect(merkle.verifyInclusion({ leafHash: subtree, index: 0, size: 2, root: root(4), proof })).toBe(true);

  const claim = { oldSize: 4, oldRoot: root(4), size: 8, root: root(8), proof: [grown.getNode(2, 1)] };
  expect(merkle.verifyConsistency(claim)).toBe(true);
  expect(merkle.verifyConsistency({ ...claim, size: 16 })).toBe(false);
});

test('subtrees beside a range and the leaves in it make the same root as all leaves', () => {
  const ranges = fc
    .tuple(fc.nat(largest), fc.nat(largest), fc.nat(largest))
    .map((three) => three.sort((a, b) => a - b));
  fc.assert(
    fc.property(ranges, ([from = 0, to = 0, size = 0]) => {
      const left = merkle.coverRange(0, from).map(({ level, index }) => grown.getNode(level, index));
      const builder = new merkle.TreeBuilder({ size: from, frontier: left });
      for (let index = from; index < to; index++) builder.append(leaf(index));
      for (const { level, index } of merkle.coverRange(to, size)) {
        builder.appendSubtree(level, grown.getNode(level, index));
      }
      expect(equalBytes(builder.root(), root(size))).toBe(true);
      expect(builder.size).toBe(size);
    }),
  );
});

test('positions beyond 32 bits are computed exactly', () => {
  const size = 2 ** 40 + 3;
  const cover = merkle.coverRange(0, size);
  expect(cover).toEqual([
    { level: 40, index: 0 },
    { level: 1, index: 2 ** 39 },
    { level: 0, index: 2 ** 40 + 2 },
  ]);
  const frontier = cover.map((_, i) => merkle.leafHash(Uint8Array.of(i)));
  const builder = new merkle.TreeBuilder({ size, frontier });
  expect(builder.append(leaf(0)).map(({ level, index }) => [level, index])).toEqual([
    [0, 2 ** 40 + 3],
    [1, 2 ** 39 + 1],
    [2, 2 ** 38],
  ]);
  const nodes = new Map(cover.map(({ level, index }, i) => [`${level}/${index}`, frontier[i] as Uint8Array]));
  const proof = merkle.inclusionProof(size - 1, size, (level, index) => nodes.get(`${level}/${index}`) as Uint8Array);
  const treeRoot = new merkle.TreeBuilder({ size, frontier }).root();
  const claim = { leafHash: frontier[2] as Uint8Array, index: size - 1, size, root: treeRoot, proof };
  expect(merkle.verifyInclusion(claim)).toBe(true);
  expect(merkle.verifyInclusion({ ...claim, index: 2 })).toBe(false);
});

test('a place outside the tree is refused, a frontier of another size too', () => {
  expect(() => merkle.inclusionProof(8, 8, grown.getNode)).toThrow('invalid_request');
  expect(() => merkle.inclusionProof(-1, 8, grown.getNode)).toThrow('invalid_request');
  expect(() => merkle.consistencyProof(9, 8, grown.getNode)).toThrow('invalid_request');
  expect(() => new merkle.TreeBuilder({ size: 3, frontier: [leaf(0)] })).toThrow(RangeError);
  expect(() => new merkle.TreeBuilder({ size: 1, frontier: [Uint8Array.of(1)] })).toThrow(RangeError);
  expect(() => new merkle.TreeBuilder({ size: 1, frontier: [leaf(0)] }).appendSubtree(1, leaf(1))).toThrow(RangeError);
});
