import { idFromUuid, uuidOf } from '@mono-auth/core/ids';
import { Json, type TenantTx } from '@mono-auth/database';
import { type BudgetHolder, type HeldBudget, type MintBudget, noBudget } from '../budgets/mint-budget.ts';

interface BudgetRow {
  holder_kind: BudgetHolder['kind'];
  holder_id: string;
  budget: Partial<MintBudget>;
  version: string;
}

function holderOf({ holder_kind: kind, holder_id: id }: BudgetRow): BudgetHolder {
  if (kind === 'agent') return { kind, id: idFromUuid('agt', id) };
  if (kind === 'host') return { kind, id: idFromUuid('hst', id) };
  return { kind, id: idFromUuid('cli', id) };
}

/** Those of the holders who have one, in their order. Where a tenant has none at all, nothing is remembered of each holder. */
export async function selectMintBudgets(
  tx: TenantTx,
  holders: readonly BudgetHolder[],
): Promise<readonly HeldBudget[]> {
  return (await hasMintBudgets(tx)) ? selectBudgetsOf(tx, holders) : none;
}

const none: readonly HeldBudget[] = [];

function hasMintBudgets(tx: TenantTx): Promise<boolean> {
  return tx.remembered('any mint budget', async () => {
    const [row] = await tx.sql<{ any: boolean }>`
      select exists (select from mono.mint_budgets where tenant_id = ${uuidOf(tx.tenantId)}) as any`;
    return row?.any ?? false;
  });
}

function selectBudgetsOf(tx: TenantTx, holders: readonly BudgetHolder[]): Promise<HeldBudget[]> {
  return tx.remembered(`mint budgets ${holders.map(({ id }) => id).join(' ')}`, async () => {
    const rows = await tx.sql<BudgetRow>`
      select budgets.holder_kind, budgets.holder_id, budgets.budget, budgets.version
      from unnest(${holders.map(({ kind }) => kind)}::text[], ${holders.map(({ id }) => uuidOf(id))}::uuid[])
          with ordinality as asked (kind, id, place)
        join mono.mint_budgets as budgets on budgets.tenant_id = ${uuidOf(tx.tenantId)}
          and budgets.holder_kind = asked.kind and budgets.holder_id = asked.id
      order by asked.place`;
    return rows.map((row) => ({
      holder: holderOf(row),
      // What an earlier release did not know is no limit.
      budget: { ...noBudget, ...row.budget },
      version: Number(row.version),
    }));
  });
}

/** Makes those who change one budget wait for each other until the transaction ends: before the first there is no row. */
export async function lockMintBudget(tx: TenantTx, { id }: BudgetHolder): Promise<void> {
  await tx.sql<{ locked: string }>`
    select pg_advisory_xact_lock(hashtextextended(${`mint budget|${tx.tenantId}|${id}`}, 0))::text as locked`;
}

export async function upsertMintBudget(
  tx: TenantTx,
  { holder, budget, version }: HeldBudget,
  nowMs: number,
): Promise<void> {
  await tx.sql`
    insert into mono.mint_budgets (tenant_id, holder_kind, holder_id, budget, version, updated_at)
    values (${uuidOf(tx.tenantId)}, ${holder.kind}, ${uuidOf(holder.id)}, ${new Json(budget)}, ${version},
      ${new Date(nowMs)})
    on conflict (tenant_id, holder_kind, holder_id) do update
      set budget = excluded.budget, version = excluded.version, updated_at = excluded.updated_at`;
}
