import { isDeepStrictEqual } from 'node:util';
import { append } from '@mono-auth/audit';
import { findClient } from '@mono-auth/clients';
import { notFound, Refusal } from '@mono-auth/core/errors';
import type { Call } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import { selectAgent } from '../store/agents.ts';
import { selectHost } from '../store/hosts.ts';
import { lockMintBudget, selectMintBudgets, upsertMintBudget } from '../store/mint-budgets.ts';
import { type BudgetHolder, type MintBudget, noBudget, type VersionedBudget } from './mint-budget.ts';
import { readMintBudget } from './read-mint-budget.ts';

/** @throws Refusal `not_found` for a holder whom the tenant does not know. */
export async function readBudgetOf(tx: TenantTx, holder: BudgetHolder): Promise<VersionedBudget> {
  if (!(await isKnown(tx, holder))) throw notFound(holder.kind);
  const [held] = await selectMintBudgets(tx, [holder]);
  return held ? { budget: held.budget, version: held.version } : { budget: noBudget, version: 0 };
}

/**
 * Sets how much may be minted for somebody, from the next token on. A repetition of what was set last changes nothing.
 * @throws Refusal `invalid_request` naming the field; `not_found`; `stale_version` when it has changed since `version`.
 */
export async function setMintBudget(
  tx: TenantTx,
  call: Call,
  holder: BudgetHolder,
  change: VersionedBudget,
): Promise<VersionedBudget> {
  const budget = readMintBudget(change.budget);
  await lockMintBudget(tx, holder);
  const before = await readBudgetOf(tx, holder);
  if (before.version === change.version + 1 && isDeepStrictEqual(before.budget, budget)) return before;
  if (before.version !== change.version) throw new Refusal('stale_version', `version: is ${before.version} by now`);
  const after = { budget, version: before.version + 1 };
  await upsertMintBudget(tx, { holder, ...after }, call.runtime.nowMs());
  await append(tx, call, {
    type: 'mint_budget.set',
    object: { kind: holder.kind, id: holder.id },
    detail: { version: after.version, ...limitsOf(budget) },
  });
  return after;
}

async function isKnown(tx: TenantTx, holder: BudgetHolder): Promise<boolean> {
  switch (holder.kind) {
    case 'agent':
      return (await selectAgent(tx, holder.id)) !== undefined;
    case 'host':
      return (await selectHost(tx, holder.id)) !== undefined;
    case 'client':
      return (await findClient(tx, holder.id)) !== undefined;
  }
}

function limitsOf(budget: MintBudget) {
  return {
    tokens_per_window: budget.tokensPerWindow,
    window_seconds: budget.windowSeconds,
    lifetime_seconds_per_window: budget.lifetimeSecondsPerWindow,
    fan_out: budget.fanOut,
    chain_depth_max: budget.chainDepthMax,
    hours: budget.hours.map(({ fromMinute, toMinute }) => `${fromMinute}-${toMinute}`).join(' '),
  };
}
