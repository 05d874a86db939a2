import { equalBytes } from '@mono-auth/core/encoding';
import { Refusal } from '@mono-auth/core/errors';
import type { TenantId } from '@mono-auth/core/ids';
import type { Database, TenantTx } from '@mono-auth/database';
import { decodeSnapshot, type Mismatch, openEngine, type PolicyEngine } from '@mono-auth/policy-engine';
import { LRUCache } from 'lru-cache';
import { mismatchError } from './mismatch-error.ts';
import { selectCurrentVersion, selectSnapshot } from './store.ts';

/** The policy of a tenant, ready to decide. */
export interface CurrentPolicy {
  readonly version: number;
  readonly engine: PolicyEngine;
  readonly snapshotBytes: Uint8Array;
  readonly hash: Uint8Array;
}

/** The current policy of every tenant, held in process and compared with the table at each use: one cheap read. */
export interface PolicySource {
  /** Not inside a transaction: there, use `currentIn`. @throws Refusal `unavailable`. */
  current(tenantId: TenantId): Promise<CurrentPolicy>;
  /** @throws Refusal `unavailable` while the tenant has no policy, or one that this release cannot read. */
  currentIn(tx: TenantTx): Promise<CurrentPolicy>;
}

/** Tenants whose policy is held: some KiB each, and the text that they share is read once. */
const policiesMax = 5_000;

interface PolicySourceDeps {
  readonly database: Database;
  /** Told when compiled policies and Cedar did not agree on a decision, which then was a denial if either denied. */
  readonly onBackgroundError?: (error: unknown) => void;
}

export function createPolicySource(deps: PolicySourceDeps): PolicySource {
  const held = new LRUCache<TenantId, CurrentPolicy>({ max: policiesMax });

  async function currentIn(tx: TenantTx): Promise<CurrentPolicy> {
    const published = await selectCurrentVersion(tx);
    if (!published) throw new Refusal('unavailable', 'the policy of this tenant is being set up');
    const { version, hash } = published;
    const known = held.get(tx.tenantId);
    // The hash as well: a transaction that failed may have shown us a version that another one has published since.
    if (known?.version === version && equalBytes(known.hash, hash)) return known;
    const snapshotBytes = await selectSnapshot(tx, version);
    if (!snapshotBytes) throw new TypeError('a version without its snapshot');
    const { tenantId } = tx;
    const onMismatch = (mismatch: Mismatch) => deps.onBackgroundError?.(mismatchError(tenantId, version, mismatch));
    const current = { version, hash, snapshotBytes, engine: open(snapshotBytes, onMismatch) };
    held.set(tx.tenantId, current);
    return current;
  }

  return { current: (tenantId) => deps.database.forTenant(tenantId, currentIn), currentIn };
}

function open(snapshotBytes: Uint8Array, onMismatch: (mismatch: Mismatch) => void): PolicyEngine {
  try {
    return openEngine(decodeSnapshot(snapshotBytes), { onMismatch });
  } catch (cause) {
    throw new Refusal('unavailable', 'the policy of this tenant cannot be read by this release', { cause });
  }
}
