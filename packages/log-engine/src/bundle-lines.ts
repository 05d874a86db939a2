import { isId, type TenantId } from '@mono-auth/core/ids';
import { base64, fromBase64 } from './base64.ts';
import { isTreeSize } from './compact-range.ts';
import { hashBytes } from './hash.ts';

/**
 * The lines of a bundle: NDJSON, UTF-8, each line ended by one newline, each in its one canonical encoding (exactly
 * these members in this order, no spaces, as JSON.stringify writes them). So no byte of a bundle is without meaning
 * and a changed byte cannot hide in an equivalent spelling.
 */
const bundleFormat = 'monoauth-audit-bundle';
const bundleVersion = 1;

/** Longest entry, bytes: C2SP tlog-tiles gives an entry's length two bytes. */
export const entryBytesMax = 65_535;
/** Longest line, UTF-16 units: the longest entry in base64 (87,380) with room for its frame. */
export const bundleLineCharsMax = 96 * 1024;

/** First line: what the bundle claims to hold. */
export interface BundleHeader {
  readonly tenant: TenantId;
  readonly origin: string;
  /** Says which key signed. A hint for people: trust comes from the verifier's own keys. */
  readonly vkey: string;
  /** The entries are those with index in [from, to), counted from 0. */
  readonly from: number;
  readonly to: number;
  /** Hashes of the subtrees that cover [0, from), left to right. */
  readonly left: readonly Uint8Array[];
}

/** One line for each entry. */
export interface BundleEntry {
  readonly index: number;
  readonly entry: Uint8Array;
}

/** Last line. */
export interface BundleTrailer {
  /** Hashes of the subtrees that cover [to, checkpoint size), left to right. */
  readonly right: readonly Uint8Array[];
  /** The log's signed checkpoint: a note with exactly the one signature by `vkey`. */
  readonly checkpoint: string;
}

export function headerLine({ tenant, origin, vkey, from, to, left }: BundleHeader): string {
  const frame = { format: bundleFormat, version: bundleVersion, tenant, origin, vkey, from, to };
  return JSON.stringify({ ...frame, left: left.map(base64) });
}

export function entryLine({ index, entry }: BundleEntry): string {
  return JSON.stringify({ index, entry: base64(entry) });
}

export function trailerLine({ right, checkpoint }: BundleTrailer): string {
  return JSON.stringify({ right: right.map(base64), checkpoint });
}

/** What is in a line, or undefined when the line is not the canonical encoding of that. */
export function parseHeaderLine(line: string): BundleHeader | undefined {
  const { tenant, origin, vkey, from, to, left } = members(line);
  const hashes = parseHashes(left);
  if (!isId('ten', tenant) || typeof origin !== 'string' || typeof vkey !== 'string') return undefined;
  if (!isTreeSize(from) || !isTreeSize(to) || hashes === undefined) return undefined;
  const header = { tenant, origin, vkey, from, to, left: hashes };
  return headerLine(header) === line ? header : undefined;
}

export function parseEntryLine(line: string): BundleEntry | undefined {
  const { index, entry: encoded } = members(line);
  const entry = typeof encoded === 'string' ? fromBase64(encoded) : undefined;
  if (!isTreeSize(index) || entry === undefined || entry.length > entryBytesMax) return undefined;
  return entryLine({ index, entry }) === line ? { index, entry } : undefined;
}

export function parseTrailerLine(line: string): BundleTrailer | undefined {
  const { right: encoded, checkpoint } = members(line);
  const right = parseHashes(encoded);
  if (right === undefined || typeof checkpoint !== 'string') return undefined;
  return trailerLine({ right, checkpoint }) === line ? { right, checkpoint } : undefined;
}

function members(line: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

function parseHashes(value: unknown): Uint8Array[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const hashes = value.map((item) => (typeof item === 'string' ? fromBase64(item) : undefined));
  return hashes.every((hash) => hash?.length === hashBytes) ? (hashes as Uint8Array[]) : undefined;
}
