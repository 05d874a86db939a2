import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeEntries, parseTilePath, tileNodes, tilePath, tileWidthAt } from './tiles.ts';

test('paths are those of C2SP tlog-tiles', () => {
  expect(tilePath({ level: 0, index: 1_234_067, width: 256 })).toBe('tile/0/x001/x234/067');
  expect(tilePath({ level: 1, index: 0, width: 1 })).toBe('tile/1/000.p/1');
  expect(tilePath({ level: 'entries', index: 273, width: 112 })).toBe('tile/entries/273.p/112');
  expect(tilePath({ level: 2, index: 1000, width: 256 })).toBe('tile/2/x001/000');
});

test('a path names its tile, and every tile has one path', () => {
  const tiles = fc.record({
    level: fc.oneof(fc.nat(6), fc.constant('entries' as const)),
    index: fc.maxSafeNat(),
    width: fc.integer({ min: 1, max: 256 }),
  });
  fc.assert(
    fc.property(tiles, (tile) => {
      expect(parseTilePath(tilePath(tile))).toEqual(tile);
    }),
  );
});

test.each([
  'tile/0/1',
  'tile/0/0001',
  'tile/0/x000/001',
  'tile/0/001/002',
  'tile/7/000',
  'tile/00/000',
  'tile/0/000.p/0',
  'tile/0/000.p/256',
  'tile/0/000.p/01',
  'tile/-1/000',
  'tile/0/../000',
  'tile/0/x999/x999/x999/x999/x999/999',
  'tile/data/000',
  '/tile/0/000',
])('%s is no tile', (path) => expect(parseTilePath(path)).toBeUndefined());

test('a tree of 70,000 leaves fills the tiles of the specification', () => {
  // C2SP tlog-tiles: 273 full tiles and one of 112 at level 0; one full and one of 17 at level 1; one of 1 at level 2.
  expect([0, 272, 273, 274].map((index) => tileWidthAt(0, index, 70_000))).toEqual([256, 256, 112, 0]);
  expect([0, 1, 2].map((index) => tileWidthAt(1, index, 70_000))).toEqual([256, 17, 0]);
  expect([0, 1].map((index) => tileWidthAt(2, index, 70_000))).toEqual([1, 0]);
  expect(tileWidthAt('entries', 273, 70_000)).toBe(112);
});

test('a tile holds the complete subtrees of its level, side by side', () => {
  expect(tileNodes({ level: 1, index: 1, width: 2 })).toEqual([
    { level: 8, index: 256 },
    { level: 8, index: 257 },
  ]);
  expect(tileNodes({ level: 'entries', index: 0, width: 1 })).toEqual([{ level: 0, index: 0 }]);
});

test('an entry bundle holds each entry behind its length, the empty and the longest one too', () => {
  const longest = new Uint8Array(65_535).fill(7);
  const bytes = encodeEntries([Uint8Array.of(1, 2, 3), new Uint8Array(), longest]);
  expect([...bytes.subarray(0, 9)]).toEqual([0, 3, 1, 2, 3, 0, 0, 255, 255]);
  expect(bytes.subarray(9)).toEqual(longest);
  expect(() => encodeEntries([new Uint8Array(65_536)])).toThrow(RangeError);
});
