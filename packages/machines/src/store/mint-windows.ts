import { uuidOf } from '@mono-auth/core/ids';
import type { TenantTx } from '@mono-auth/database';
import { type BudgetHolder, type HeldBudget, windowStart } from '../budgets/mint-budget.ts';

/** More than a window ever has left where nothing is counted; far enough from the end of a bigint to be added to. */
const unlimited = 1_000_000_000_000_000_000n;
/** A window that ended this long ago nobody mints in, however wrong his clock is, seconds. */
const keptSeconds = 3_600;

/** What a process asks of a window: tokens that all have one lifetime and one audience. */
export interface BlockRequest {
  /** A moment in the window, seconds since the epoch. */
  readonly atSeconds: number;
  readonly lifetimeSeconds: number;
  readonly audience: string;
  /** Tokens that somebody waits for. */
  readonly needed: number;
  /** Tokens that it expects to need soon; a full window gives fewer. */
  readonly wanted: number;
}

export interface ReservedBlock {
  /** How many tokens of the asked lifetime are the asker's now. Less than `needed`: there is no more in this window. */
  readonly tokens: number;
  /**
   * Whether tokens of this window may be for the audience. None is, once the limit was lowered below those that were
   * admitted: which of them have a token already is not known.
   */
  readonly audienceAdmitted: boolean;
}

/**
 * Takes a block out of a window, in one statement: whoever asks at the same time waits for the row and reads what is left
 * then, so that all blocks together never exceed the limit. What is taken stays taken, spent or not.
 */
export async function reserveBlock(
  tx: TenantTx,
  { holder, budget }: HeldBudget,
  request: BlockRequest,
): Promise<ReservedBlock> {
  const { lifetimeSeconds, audience, needed, wanted } = request;
  const tokensMax = budget.tokensPerWindow || unlimited;
  const secondsMax = budget.lifetimeSecondsPerWindow || unlimited;
  const { fanOut, windowSeconds } = budget;
  const audiences = fanOut > 0 ? [audience] : [];
  const startSeconds = windowStart(budget, request.atSeconds);
  const startsAt = new Date(startSeconds * 1000);
  const [row] = await tx.sql<{ block_tokens: string; is_first: boolean; admitted: boolean }>`
    insert into mono.mint_windows as held (tenant_id, holder_kind, holder_id, window_seconds, starts_at, tokens,
      lifetime_seconds, block_tokens, audiences)
    select ${uuidOf(tx.tenantId)}::uuid, ${holder.kind}, ${uuidOf(holder.id)}::uuid, ${windowSeconds}::int,
      ${startsAt}::timestamptz, block, block * ${lifetimeSeconds}::bigint, block, ${audiences}::text[]
    from mono.mint_block(least(${tokensMax}::bigint, ${secondsMax}::bigint / ${lifetimeSeconds}::bigint),
      ${needed}::bigint, ${wanted}::bigint) as block
    on conflict (tenant_id, holder_kind, holder_id, window_seconds, starts_at) do update set
      tokens = held.tokens + mono.mint_block(least(${tokensMax}::bigint - held.tokens,
        (${secondsMax}::bigint - held.lifetime_seconds) / ${lifetimeSeconds}::bigint), ${needed}::bigint, ${wanted}::bigint),
      lifetime_seconds = held.lifetime_seconds + ${lifetimeSeconds}::bigint * mono.mint_block(
        least(${tokensMax}::bigint - held.tokens,
          (${secondsMax}::bigint - held.lifetime_seconds) / ${lifetimeSeconds}::bigint), ${needed}::bigint, ${wanted}::bigint),
      block_tokens = mono.mint_block(least(${tokensMax}::bigint - held.tokens,
        (${secondsMax}::bigint - held.lifetime_seconds) / ${lifetimeSeconds}::bigint), ${needed}::bigint, ${wanted}::bigint),
      audiences = case when ${audience}::text = any (held.audiences) or cardinality(held.audiences) >= ${fanOut}::int
        then held.audiences else held.audiences || ${audience}::text end
    returning block_tokens, tokens = block_tokens as is_first,
      ${audience}::text = any (held.audiences) and cardinality(held.audiences) <= ${fanOut}::int as admitted`;
  if (row?.is_first) await deleteEnded(tx, holder, startSeconds - keptSeconds);
  return { tokens: Number(row?.block_tokens ?? 0), audienceAdmitted: fanOut === 0 || row?.admitted === true };
}

/** So that nobody has to sweep: the first block of a window takes away those that have long ended. */
async function deleteEnded(tx: TenantTx, { kind, id }: BudgetHolder, beforeSeconds: number): Promise<void> {
  await tx.sql`
    delete from mono.mint_windows
    where tenant_id = ${uuidOf(tx.tenantId)} and holder_kind = ${kind} and holder_id = ${uuidOf(id)}
      and starts_at + make_interval(secs => window_seconds) < ${new Date(beforeSeconds * 1000)}`;
}
