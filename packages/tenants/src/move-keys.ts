import { append } from '@mono-auth/audit';
import { newId, type TenantId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import type { NewEntry } from '@mono-auth/feed';
import type { KeyMove } from '@mono-auth/keys';
import { readTenant } from './read-tenant.ts';
import type { RotationDeps } from './rotate-signing-key.ts';
import { systemCaller } from './tenant.ts';

type MoveDeps = Pick<RotationDeps, 'database' | 'runtime' | 'keys' | 'feed'>;

/**
 * Moves every signing key on whose time has come: next ones begin to sign, retiring ones leave. What is due stands in the
 * table, so a worker that dies has its part done by the next one, and of two at once the second finds nothing.
 * @returns how many keys were moved on.
 * @throws AggregateError of the tenants that failed, after the others are done.
 */
export async function moveKeysOn(deps: MoveDeps): Promise<number> {
  const failures: unknown[] = [];
  let moved = 0;
  for (const tenantId of await deps.keys.tenantsDue()) {
    try {
      const moves = await moveKeysOf(deps, tenantId);
      moved += moves.length;
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0)
    throw new AggregateError(failures, `keys of ${failures.length} tenants could not be moved on`);
  return moved;
}

function moveKeysOf(deps: MoveDeps, tenantId: TenantId): Promise<readonly KeyMove[]> {
  const { runtime } = deps;
  return deps.database.forTenant(tenantId, async (tx) => {
    const caller = systemCaller(await readTenant(tx), newId(runtime, 'req'));
    return moveTenantKeys(deps, tx, { runtime, caller });
  });
}

const eventOf = { active: 'key.promoted', retired: 'key.retired' } as const;

/** The same in an open transaction, with the evidence and the feed entries. It holds the feed's head, so it comes last. */
export async function moveTenantKeys(
  { keys, feed }: Pick<MoveDeps, 'keys' | 'feed'>,
  tx: TenantTx,
  call: Call,
): Promise<readonly KeyMove[]> {
  const moves = await keys.moveDue(tx);
  for (const { kid, purpose, alg, to } of moves) {
    await append(tx, call, { type: eventOf[to], object: { kind: 'key', id: kid }, detail: { purpose, alg } });
  }
  const entries = moves
    .filter(({ purpose }) => purpose === 'token')
    .map(({ kid, to }): NewEntry => ({ kind: 'key', payload: { v: 1, kid, state: to } }));
  if (entries.length > 0) await feed.append(tx, entries);
  return moves;
}
