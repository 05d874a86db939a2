import { concatBytes, utf8 } from '@mono-auth/core/encoding';
import { notFound } from '@mono-auth/core/errors';
import type { TenantTx } from '@mono-auth/database';
import { tiles } from '@mono-auth/log-engine';
import { requireTree } from './prove-event.ts';
import { readEntries, readNodes } from './store.ts';

/** One resource of the tenant's log, as C2SP tlog-tiles lays it out. */
export interface LogFile {
  readonly contentType: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Whether it is the same for ever: tiles are, also partial ones; the checkpoint is not. */
  readonly immutable: boolean;
}

/**
 * Reads what stands at `path` below the log's prefix: `checkpoint`, `tile/<L>/<N>[.p/<W>]`, `tile/entries/<N>[.p/<W>]`.
 * A partial tile is read from the same rows as the full one, so every width that a checkpoint ever had stays readable.
 * @throws Refusal `not_found` for any other path, and for a tile that the latest checkpoint does not fill.
 */
export async function readLogFile(tx: TenantTx, path: string): Promise<LogFile> {
  const { size, note } = await requireTree(tx);
  if (path === 'checkpoint') {
    return { contentType: 'text/plain; charset=utf-8', bytes: utf8(note), immutable: false };
  }
  const tile = tiles.parseTilePath(path);
  if (!tile || tile.width > tiles.tileWidthAt(tile.level, tile.index, size)) throw notFound('log file');
  const bytes = tile.level === 'entries' ? await readEntryBundle(tx, tile) : await readHashTile(tx, tile);
  return { contentType: 'application/octet-stream', bytes, immutable: true };
}

/** C2SP tlog-tiles §Merkle Tree: the hashes one after the other. */
async function readHashTile(tx: TenantTx, tile: tiles.Tile): Promise<Uint8Array<ArrayBuffer>> {
  const nodes = tiles.tileNodes(tile);
  const getNode = await readNodes(tx, nodes);
  return concatBytes(...nodes.map(({ level, index }) => getNode(level, index)));
}

async function readEntryBundle(tx: TenantTx, { index, width }: tiles.Tile): Promise<Uint8Array<ArrayBuffer>> {
  const from = index * tiles.tileWidth;
  const entries = await readEntries(tx, from, from + width);
  if (entries.length !== width) throw new Error(`the log has ${entries.length} of ${width} entries from ${from} on`);
  return tiles.encodeEntries(entries);
}
