import { entryBytesMax } from './bundle-lines.ts';
import type { NodeRef } from './compact-range.ts';

/** Nodes side by side in a full tile: 2^8 (C2SP tlog-tiles). */
export const tileWidth = 256;
const tileHeight = 8;
/** A tree of 2^53 leaves has no tiles above this level. */
const tileLevelMax = 6;
/** What stands before each entry of a bundle: a uint16. */
const lengthBytes = 2;

/** `entries` names the bundles that hold the leaves themselves. */
export type TileLevel = number | 'entries';

export interface Tile {
  readonly level: TileLevel;
  readonly index: number;
  /** 1 to 256; below 256 the tile is partial. */
  readonly width: number;
}

/** `tile/<L>/<N>[.p/<W>]`, N in groups of three digits, all but the last with an `x` before them. */
export function tilePath({ level, index, width }: Tile): string {
  const suffix = width === tileWidth ? '' : `.p/${width}`;
  return `tile/${level}/${encodeIndex(index)}${suffix}`;
}

/** The tile a path names, or undefined when it is not the one canonical path of a tile. */
export function parseTilePath(path: string): Tile | undefined {
  const pattern = /^tile\/([0-9]|entries)\/((?:x[0-9]{3}\/){0,5}[0-9]{3})(?:\.p\/([1-9][0-9]{0,2}))?$/;
  const [, levelText = '', indexText = '', widthText] = pattern.exec(path) ?? [];
  const level: TileLevel = levelText === 'entries' ? 'entries' : Number(levelText);
  const tile: Tile = { level, index: Number(indexText.replaceAll(/[x/]/g, '')), width: Number(widthText ?? tileWidth) };
  const exists = (level === 'entries' || level <= tileLevelMax) && Number.isSafeInteger(tile.index);
  return exists && tile.width <= tileWidth && tilePath(tile) === path ? tile : undefined;
}

/** How much of a tile a tree of this size fills: 0 when it must not be served at all. */
export function tileWidthAt(level: TileLevel, index: number, size: number): number {
  const nodes = Math.floor(size / tileWidth ** levelNumber(level));
  return Math.min(Math.max(nodes - index * tileWidth, 0), tileWidth);
}

/** The tree nodes whose hashes, one after the other, are the bytes of a tile (for `entries`: the leaves). */
export function tileNodes({ level, index, width }: Tile): NodeRef[] {
  const nodeLevel = levelNumber(level) * tileHeight;
  return Array.from({ length: width }, (_, i) => ({ level: nodeLevel, index: index * tileWidth + i }));
}

/**
 * The bytes of an entry bundle: each entry behind its length, a big-endian uint16 (C2SP tlog-tiles §Log entries).
 * @throws RangeError for an entry that is longer than its length can say.
 */
export function encodeEntries(entries: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(entries.reduce((sum, { length }) => sum + lengthBytes + length, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const entry of entries) {
    if (entry.length > entryBytesMax) throw new RangeError(`an entry of the log has at most ${entryBytesMax} bytes`);
    view.setUint16(at, entry.length);
    bytes.set(entry, at + lengthBytes);
    at += lengthBytes + entry.length;
  }
  return bytes;
}

function levelNumber(level: TileLevel): number {
  return level === 'entries' ? 0 : level;
}

function encodeIndex(index: number): string {
  const digits = String(index);
  const padded = digits.padStart(Math.ceil(digits.length / 3) * 3, '0');
  const groups = padded.match(/[0-9]{3}/g) ?? [];
  return groups.map((group, i) => (i === groups.length - 1 ? group : `x${group}`)).join('/');
}
