import type { TenantId } from '@mono-auth/core/ids';
import type { Runtime } from '@mono-auth/core/runtime';
import type { Database, TenantTx } from '@mono-auth/database';
import type { Keyring } from '@mono-auth/keys';
import { merkle } from '@mono-auth/log-engine';
import { logSigner, signCheckpoint } from './log-key.ts';
import { insertNodes, lockTree, numberEvents, readUnsealed, tenantsWithUnsealed, updateTree } from './store.ts';

export interface LogDeps {
  readonly database: Database;
  readonly keys: Keyring;
  readonly runtime: Runtime;
  /** `<host of the base url>/t/<slug>/log`. Asked for once in the life of a log. */
  originOf(tenantId: TenantId): Promise<string>;
}

/** Leaves sealed in one transaction: some milliseconds of work without a pause, for which everybody else here waits. */
const batchLeavesMax = 250;
/** Tenants named at once; the worker asks again. */
const unsealedTenantsMax = 1_000;

/**
 * Puts everything that is not sealed into the tenant's Merkle tree and signs the new checkpoint. May run in several
 * processes at once: the tree's row is locked first, so there is one sealer at a time. An event that is committed later
 * than one that is already sealed is simply sealed later.
 * @returns how many leaves it sealed; 0 also for a tenant whose log is not provisioned yet.
 */
export async function sealTenant(deps: LogDeps, tenantId: TenantId): Promise<number> {
  let sealed = 0;
  for (;;) {
    const leaves = await deps.database.forTenant(tenantId, (tx) => sealBatch(tx, deps));
    sealed += leaves;
    if (leaves < batchLeavesMax) return sealed;
  }
}

async function sealBatch(tx: TenantTx, { keys, runtime }: LogDeps): Promise<number> {
  const tree = await lockTree(tx);
  if (!tree) return 0;
  const unsealed = await readUnsealed(tx, batchLeavesMax);
  if (unsealed.length === 0) return 0;
  const builder = new merkle.TreeBuilder(tree);
  const nodes = unsealed.flatMap(({ envelope }) => builder.append(merkle.leafHash(envelope)));
  const ids = unsealed.map(({ id }) => id);
  await numberEvents(tx, tree.size, ids);
  await insertNodes(tx, nodes);
  const signer = await logSigner(keys, tx);
  const grown = { ...tree, size: builder.size, frontier: builder.frontier() };
  await updateTree(tx, { ...grown, note: await signCheckpoint(signer, tx.tenantId, grown) }, runtime.nowMs());
  return ids.length;
}

/** Tenants that have something to seal; their ids and nothing else. */
export function unsealedTenants(database: Database): Promise<TenantId[]> {
  return database.forPlatform('seal the audit logs', (tx) => tenantsWithUnsealed(tx, unsealedTenantsMax));
}
