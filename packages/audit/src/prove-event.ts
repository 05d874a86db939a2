import { notFound, Refusal } from '@mono-auth/core/errors';
import type { EventId } from '@mono-auth/core/ids';
import type { TenantTx } from '@mono-auth/database';
import { merkle } from '@mono-auth/log-engine';
import { findEvent, readNodes, readTree, type TreeRow } from './store.ts';

/** How long until what was written now is sealed, milliseconds: the worker is at most one second behind. */
const sealedWithinMs = 1_000;

/** @throws Refusal `unavailable` where the tenant's log is not provisioned yet. */
export async function requireTree(tx: TenantTx): Promise<TreeRow> {
  const tree = await readTree(tx);
  if (!tree) throw new Refusal('unavailable', 'the audit log of this tenant is being set up');
  return tree;
}

/** RFC 9162 §2.1.3: the event's leaf and its path to the root of the latest checkpoint. */
export async function proveInclusion(
  tx: TenantTx,
  id: EventId,
): Promise<{ leafIndex: number; entry: Uint8Array; proof: Uint8Array[]; note: string }> {
  // The event first: a tree that is read later holds every leaf that was sealed before.
  const event = await findEvent(tx, id);
  if (!event) throw notFound('audit event');
  const { envelope: entry, leafIndex } = event;
  if (leafIndex === undefined) {
    throw new Refusal('unavailable', 'the audit event is not sealed yet', { retryAfterMs: sealedWithinMs });
  }
  const { size, note } = await requireTree(tx);
  const getNode = await readNodes(tx, merkle.inclusionNodes(leafIndex, size));
  return { leafIndex, entry, proof: merkle.inclusionProof(leafIndex, size, getNode), note };
}

/** RFC 9162 §2.1.4: the tree of `fromSize` is a prefix of the latest one. */
export async function proveConsistency(
  tx: TenantTx,
  fromSize: number,
): Promise<{ toSize: number; proof: Uint8Array[]; note: string }> {
  const { size, note } = await requireTree(tx);
  if (fromSize > size) throw new Refusal('invalid_request', `from_size: the log has ${size} entries`);
  const getNode = await readNodes(tx, merkle.consistencyNodes(fromSize, size));
  return { toSize: size, proof: merkle.consistencyProof(fromSize, size, getNode), note };
}
