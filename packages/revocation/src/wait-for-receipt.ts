import type { TenantId } from '@mono-auth/core/ids';
import type { Runtime } from '@mono-auth/core/runtime';
import type { Database, TenantTx } from '@mono-auth/database';
import type { Feed } from '@mono-auth/feed';
import { receipt as receipts } from '@mono-auth/feed-engine';
import { jwksOnlyUntilMs, type Receipt, type Revocation } from './revocation.ts';

export interface ReceiptDeps {
  readonly database: Database;
  readonly runtime: Runtime;
  readonly feed: Feed;
}

/** Pause between two looks when no hint comes: an ended lease sends none. */
const lookMs = 250;

/** Who enforces the revocation by now. */
export async function readReceipt(deps: ReceiptDeps, tx: TenantTx, revocation: Revocation): Promise<Receipt> {
  const views = await deps.feed.enforcementViews(tx, revocation.feedSeq);
  return {
    ...receipts.receiptFor(revocation.feedSeq, views, deps.runtime.nowMs()),
    revocationId: revocation.id,
    feedSeq: revocation.feedSeq,
    jwksOnlyUntilMs: jwksOnlyUntilMs(revocation),
  };
}

/** The receipt once everybody enforces the revocation, or as it stands when the time is over or nobody listens. */
export async function waitForReceipt(
  deps: ReceiptDeps,
  tenantId: TenantId,
  revocation: Revocation,
  { waitMs, signal }: { readonly waitMs: number; readonly signal?: AbortSignal | undefined },
): Promise<Receipt> {
  const { runtime } = deps;
  const read = () => deps.database.forTenant(tenantId, (tx) => readReceipt(deps, tx, revocation));
  const deadline = runtime.monotonicMs() + waitMs;
  const first = await read();
  if (isComplete(first) || waitMs === 0) return first;

  let heard = false;
  let endPause = (): void => {};
  const hear = () => {
    heard = true;
    endPause();
  };
  // Nobody waits for it: without the hints everything goes on, only slower.
  const subscribed = deps.feed.onApplied(tenantId, hear);
  subscribed.then(hear, () => undefined);
  const stop = () => endPause();
  signal?.addEventListener('abort', stop, { once: true });
  try {
    for (;;) {
      heard = false;
      const receipt = await read();
      const leftMs = deadline - runtime.monotonicMs();
      if (isComplete(receipt) || leftMs <= 0 || signal?.aborted) return receipt;
      if (heard) continue;
      const pause = new AbortController();
      endPause = () => pause.abort();
      // Only the abort ends it early.
      await runtime.sleep(Math.min(lookMs, leftMs), pause.signal).catch(() => undefined);
    }
  } finally {
    signal?.removeEventListener('abort', stop);
    subscribed.then(
      (forget) => forget(),
      () => undefined,
    );
  }
}

function isComplete({ enforced, of }: Receipt): boolean {
  return enforced === of;
}
