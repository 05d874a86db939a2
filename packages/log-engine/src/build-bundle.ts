import { Refusal } from '@mono-auth/core/errors';
import { entryBytesMax, entryLine, headerLine, trailerLine } from './bundle-lines.ts';
import { logIdentity, parseCheckpoint } from './checkpoint.ts';
import { coverRange, type GetNode, isTreeSize } from './compact-range.ts';
import { formatNote, verifyNote } from './note.ts';
import { formatVerifierKey, type VerifierKey } from './verifier-key.ts';

export interface BundleSource {
  /** The log's key; its name is the origin. */
  readonly key: VerifierKey;
  /** The signed checkpoint that the bundle is proved by. Signatures of others (witnesses) are left out. */
  readonly checkpoint: string;
  readonly from: number;
  readonly to: number;
  /** The canonical bytes of entries [from, to), in order. */
  readonly entries: Iterable<Uint8Array>;
  /** Reads the subtrees of `coverRange(0, from)` and `coverRange(to, size)`. */
  readonly getNode: GetNode;
}

/**
 * The lines of a bundle, without their newlines. Writes nothing that `verifyBundle` would refuse for its frame;
 * whether the entries are those of the log is for the verifier to find.
 * @throws Refusal `invalid_request` for a range outside the checkpoint, an entry too many, too few or too long;
 * `verification_failed` when the checkpoint is not signed by `key` or names no tenant.
 */
export function* buildBundle(source: BundleSource): Generator<string, void, void> {
  const { key, from, to } = source;
  const { note } = verifyNote(source.checkpoint, [key]);
  const checkpoint = parseCheckpoint(note.text);
  const { tenantId } = logIdentity(checkpoint);
  if (checkpoint.origin !== key.name) throw new Refusal('verification_failed', 'the key is named after another log');
  if (!isTreeSize(from) || !isTreeSize(to) || from > to || to > checkpoint.size) {
    throw new Refusal('invalid_request', `range: must lie within 0 and the checkpoint's ${checkpoint.size}`);
  }
  const hashesOf = (begin: number, end: number) =>
    coverRange(begin, end).map(({ level, index }) => source.getNode(level, index));

  const header = { tenant: tenantId, origin: checkpoint.origin, vkey: formatVerifierKey(key), from, to };
  yield headerLine({ ...header, left: hashesOf(0, from) });
  let index = from;
  for (const entry of source.entries) {
    if (index >= to || entry.length > entryBytesMax) throw new Refusal('invalid_request', `entry ${index}: not wanted`);
    yield entryLine({ index, entry });
    index++;
  }
  if (index !== to) throw new Refusal('invalid_request', `entries: ${index - from} of ${to - from} given`);
  const ours = note.signatures.filter(({ name, keyId }) => name === key.name && keyId === key.keyId).slice(0, 1);
  const signed = formatNote({ text: note.text, signatures: ours });
  yield trailerLine({ right: hashesOf(to, checkpoint.size), checkpoint: signed });
}
