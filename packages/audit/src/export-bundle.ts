import { utf8 } from '@mono-auth/core/encoding';
import { Refusal } from '@mono-auth/core/errors';
import type { TenantId } from '@mono-auth/core/ids';
import type { Database } from '@mono-auth/database';
import type { Keyring } from '@mono-auth/keys';
import { bundle, merkle } from '@mono-auth/log-engine';
import { checkpointKey } from './log-key.ts';
import { requireTree } from './prove-event.ts';
import { readEntries, readNodes } from './store.ts';

export interface ExportRange {
  readonly from: number;
  /** Exclusive; 0 means up to the latest checkpoint. */
  readonly to: number;
}

/** Entries read at once: at 64 KiB each, the longest possible, some 16 MiB. */
const pageEntries = 256;
/** Characters of the bundle sent at once: large enough to be worth a message, far below its limit. */
const chunkCharsMin = 64 * 1024;

/**
 * The bundle of a range, piece by piece, proved by the checkpoint that is the latest when it begins. Sealed entries and
 * complete nodes never change, so every page is read in a transaction of its own.
 * @throws Refusal `invalid_request` for a range beyond the checkpoint.
 */
export async function* exportBundle(
  deps: { database: Database; keys: Keyring },
  tenantId: TenantId,
  range: ExportRange,
): AsyncGenerator<Uint8Array> {
  const { tree, from, to, getNode } = await deps.database.forTenant(tenantId, async (tx) => {
    const latest = await requireTree(tx);
    const [begin, end] = [range.from, range.to === 0 ? latest.size : range.to];
    if (begin > end || end > latest.size) {
      throw new Refusal('invalid_request', `from_index, to_index: must lie within 0 and ${latest.size}`);
    }
    const beside = [...merkle.coverRange(0, begin), ...merkle.coverRange(end, latest.size)];
    return { tree: latest, from: begin, to: end, getNode: await readNodes(tx, beside) };
  });
  const key = await checkpointKey(deps.keys, tenantId, tree);

  // The builder pulls one entry for each line: it is fed a page ahead, so that memory does not grow with the range.
  const waiting: Uint8Array[] = [];
  const entries = (function* () {
    for (let entry = waiting.shift(); entry; entry = waiting.shift()) yield entry;
  })();
  const lines = bundle.buildBundle({ key, checkpoint: tree.note, from, to, entries, getNode });
  let next = from;
  let text = '';
  for (;;) {
    if (waiting.length === 0 && next < to) {
      const end = Math.min(next + pageEntries, to);
      const begin = next;
      waiting.push(...(await deps.database.forTenant(tenantId, (tx) => readEntries(tx, begin, end))));
      next = end;
    }
    const line = lines.next();
    if (line.done) break;
    text += `${line.value}\n`;
    if (text.length < chunkCharsMin) continue;
    yield utf8(text);
    text = '';
  }
  if (text !== '') yield utf8(text);
}
