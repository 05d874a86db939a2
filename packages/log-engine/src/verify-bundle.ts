import { equalBytes, hex } from '@mono-auth/core/encoding';
import { Refusal } from '@mono-auth/core/errors';
import type { TenantId } from '@mono-auth/core/ids';
import {
  type BundleHeader,
  type BundleTrailer,
  bundleLineCharsMax,
  parseEntryLine,
  parseHeaderLine,
  parseTrailerLine,
} from './bundle-lines.ts';
import { type Checkpoint, logIdentity, parseCheckpoint } from './checkpoint.ts';
import { coverRange } from './compact-range.ts';
import { leafHash } from './hash.ts';
import { parseNote, type VerifierKey, verifyNote } from './note.ts';
import { TreeBuilder } from './tree-builder.ts';
import { formatVerifierKey } from './verifier-key.ts';

/** Why a bundle proves nothing. */
export type BundleFault =
  /** A line is not the canonical encoding of what must stand there. */
  | 'malformed_line'
  /** The header names a key the verifier does not trust. */
  | 'untrusted_key'
  /** An entry does not carry the next index: dropped, repeated or moved. */
  | 'out_of_order'
  /** The last line comes before entry `to`. */
  | 'missing_entries'
  /** More entries than the header announces. */
  | 'extra_entries'
  /** Something follows the last line. */
  | 'trailing_data'
  /** The bundle ends before its last line does. */
  | 'truncated'
  /** The checkpoint is not a note, or is not signed by exactly the header's key. */
  | 'bad_signature'
  /** The checkpoint is that of another log or tenant than the header says. */
  | 'wrong_log'
  /** The range does not fit the tree, or the hashes beside it do not fit the range. */
  | 'wrong_range'
  /** The entries are not those the log signed. */
  | 'root_mismatch';

export interface VerifiedBundle {
  readonly verified: true;
  readonly tenant: TenantId;
  readonly origin: string;
  readonly incarnation: number;
  /** The bundle holds exactly the entries with index in [from, to) … */
  readonly from: number;
  readonly to: number;
  /** … of the log when it had this many … */
  readonly size: number;
  /** … and this root, hex. */
  readonly root: string;
  /** The trusted key that signed, as vkey. */
  readonly vkey: string;
}

export interface RefusedBundle {
  readonly verified: false;
  readonly fault: BundleFault;
  readonly detail: string;
  /** Counted from 1. */
  readonly line: number;
}

export type BundleReport = VerifiedBundle | RefusedBundle;

class Fault extends Error {
  readonly fault: BundleFault;
  constructor(fault: BundleFault, detail: string) {
    super(detail);
    this.fault = fault;
  }
}

/** Verifies a bundle line by line, in memory that does not grow with it. Trusts the given keys and nothing else. */
export class BundleVerifier {
  readonly #trusted: readonly VerifierKey[];
  #line = 0;
  #header: BundleHeader | undefined;
  #key: VerifierKey | undefined;
  #tree = new TreeBuilder();
  #report: BundleReport | undefined;

  constructor(trusted: readonly VerifierKey[]) {
    this.#trusted = trusted;
  }

  /** Takes the next line, without its newline. After a fault it takes no more in. */
  push(line: string): void {
    this.#line++;
    if (this.#report?.verified === false) return;
    try {
      if (line.length > bundleLineCharsMax) throw new Fault('malformed_line', 'line too long');
      if (this.#report !== undefined) throw new Fault('trailing_data', 'a line after the checkpoint');
      if (this.#header === undefined) this.#takeHeader(line);
      else this.#takeEntryOrTrailer(this.#header, line);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      this.#report = { verified: false, fault: error.fault, detail: error.message, line: this.#line };
    }
  }

  /** The verdict, once every line has been pushed. */
  finish(): BundleReport {
    const detail = 'the bundle ends before its checkpoint does';
    return this.#report ?? { verified: false, fault: 'truncated', detail, line: this.#line + 1 };
  }

  #takeHeader(line: string): void {
    const header = parseHeaderLine(line);
    if (header === undefined) throw new Fault('malformed_line', 'not the header of a version 1 audit bundle');
    const key = this.#trusted.find((candidate) => formatVerifierKey(candidate) === header.vkey);
    if (key === undefined) throw new Fault('untrusted_key', 'the header names a key that is not among the trusted');
    if (key.name !== header.origin) throw new Fault('wrong_log', 'the key is that of another log');
    const fits = header.from <= header.to && header.left.length === coverRange(0, header.from).length;
    if (!fits) throw new Fault('wrong_range', 'the left hashes do not cover the entries before the range');
    this.#tree = new TreeBuilder({ size: header.from, frontier: header.left });
    this.#header = header;
    this.#key = key;
  }

  #takeEntryOrTrailer(header: BundleHeader, line: string): void {
    const item = parseEntryLine(line);
    if (item !== undefined) {
      const next = this.#tree.size;
      if (item.index !== next) throw new Fault('out_of_order', `entry ${item.index} stands where ${next} belongs`);
      if (next === header.to) throw new Fault('extra_entries', `entry ${next} is beyond the announced range`);
      this.#tree.append(leafHash(item.entry));
      return;
    }
    const trailer = parseTrailerLine(line);
    if (trailer === undefined) throw new Fault('malformed_line', 'neither an entry nor the checkpoint');
    const missing = header.to - this.#tree.size;
    if (missing > 0) throw new Fault('missing_entries', `${missing} announced entries are not there`);
    this.#report = this.#takeTrailer(header, trailer);
  }

  #takeTrailer(header: BundleHeader, trailer: BundleTrailer): VerifiedBundle {
    const checkpoint = this.#openCheckpoint(trailer.checkpoint);
    const { tenantId, incarnation } = orFault('wrong_log', () => logIdentity(checkpoint));
    if (checkpoint.origin !== header.origin || tenantId !== header.tenant) {
      throw new Fault('wrong_log', `the checkpoint is that of ${checkpoint.origin}, ${tenantId}`);
    }
    const cover = coverRange(header.to, checkpoint.size);
    if (header.to > checkpoint.size || trailer.right.length !== cover.length) {
      throw new Fault('wrong_range', 'the right hashes do not cover the entries after the range');
    }
    for (const [i, hash] of trailer.right.entries()) this.#tree.appendSubtree(cover[i]?.level ?? 0, hash);
    if (!equalBytes(this.#tree.root(), checkpoint.root)) {
      throw new Fault('root_mismatch', 'the entries are not those of the signed log');
    }
    const { tenant, origin, vkey, from, to } = header;
    const { size, root } = checkpoint;
    return { verified: true, tenant, origin, incarnation, from, to, size, root: hex(root), vkey };
  }

  #openCheckpoint(source: string): Checkpoint {
    const key = this.#key as VerifierKey;
    return orFault('bad_signature', () => {
      // Signatures by unknown keys would be bytes that nothing covers.
      if (parseNote(source).signatures.length !== 1) throw new Fault('bad_signature', 'not exactly one signature');
      return parseCheckpoint(verifyNote(source, [key]).note.text);
    });
  }
}

/**
 * The verdict on a whole bundle. Give the file's bytes where you can: then every byte counts, line ends included.
 * `trusted` comes from the caller (out of band), never from the bundle. A bundle proves its own range: who expects
 * the whole log, or a certain tenant, compares the report.
 */
export function verifyBundle(
  source: Uint8Array | string | Iterable<string>,
  { vkeys }: { vkeys: readonly VerifierKey[] },
): BundleReport {
  const verifier = new BundleVerifier(vkeys);
  const refused = (fault: BundleFault, detail: string, line: number) =>
    ({ verified: false, fault, detail, line }) as const;
  if (typeof source === 'string' || source instanceof Uint8Array) {
    const text = typeof source === 'string' ? source : decodeUtf8(source);
    if (text === undefined) return refused('malformed_line', 'not UTF-8', 1);
    const lines = text.split('\n');
    if (lines.pop() !== '') return refused('truncated', 'the last line has no end', lines.length + 1);
    for (const line of lines) verifier.push(line);
  } else {
    for (const line of source) verifier.push(line);
  }
  return verifier.finish();
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    // A byte order mark is a change like any other, so it must not be swallowed.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function orFault<T>(fault: BundleFault, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof Refusal) throw new Fault(fault, error.detail);
    throw error;
  }
}
