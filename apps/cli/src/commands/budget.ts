import { type MessageInitShape, toJson } from '@bufbuild/protobuf';
import { Refusal } from '@mono-auth/core/errors';
import { isId } from '@mono-auth/core/ids';
import { MachineService, type MintBudget, MintBudgetSchema } from '@mono-auth/proto/monoauth/machines/v1/machines';
import { requireAnswer } from '../client-answer.ts';
import type { CliContext } from '../context.ts';
import { type OutputFlags, print } from '../output.ts';
import { withClient } from '../rpc.ts';

export interface Hours {
  readonly fromMinute: number;
  readonly toMinute: number;
}

export interface BudgetFlags extends OutputFlags {
  readonly tokens?: number;
  readonly window?: number;
  readonly lifetime?: number;
  readonly fanOut?: number;
  readonly depth?: number;
  readonly hours?: readonly Hours[];
}

/** Shows how much may be minted for an agent, a host or a client; with a limit it sets that one and leaves the others. */
export default async function budget(this: CliContext, flags: BudgetFlags, id: string): Promise<void> {
  const holder = { holder: holderOf(id) };
  const { json: _, ...limits } = flags;
  const answer = await withClient(this, MachineService, async (client) => {
    const before = await client.getMintBudget({ holder });
    if (Object.values(limits).every((limit) => limit === undefined)) return before;
    // Based on what was read: whoever else has changed it meanwhile is not overwritten.
    return client.setMintBudget({ holder, budget: changed(before.budget, flags), version: before.version });
  });
  const shown = requireAnswer(answer.budget, 'budget');
  const document = { budget: toJson(MintBudgetSchema, shown), version: Number(answer.version) };
  print(this, flags, document, [...linesOf(shown), `version   ${answer.version}`]);
}

function holderOf(id: string) {
  if (isId('agt', id)) return { case: 'agentId' as const, value: id };
  if (isId('hst', id)) return { case: 'hostId' as const, value: id };
  if (isId('cli', id)) return { case: 'clientId' as const, value: id };
  throw new Refusal('invalid_request', 'ID: an agent, a host or a client (agt_…, hst_…, cli_…)');
}

function changed(
  before: MintBudget | undefined,
  { tokens, window, lifetime, fanOut, depth, hours }: BudgetFlags,
): MessageInitShape<typeof MintBudgetSchema> {
  return {
    tokensPerWindow: tokens === undefined ? (before?.tokensPerWindow ?? 0n) : BigInt(tokens),
    windowSeconds: window ?? before?.windowSeconds ?? 0,
    lifetimeSecondsPerWindow: lifetime === undefined ? (before?.lifetimeSecondsPerWindow ?? 0n) : BigInt(lifetime),
    fanOut: fanOut ?? before?.fanOut ?? 0,
    chainDepthMax: depth ?? before?.chainDepthMax ?? 0,
    hours: hours ? [...hours] : (before?.hours ?? []),
  };
}

function linesOf(budget: MintBudget): string[] {
  const { tokensPerWindow, lifetimeSecondsPerWindow, fanOut, chainDepthMax, windowSeconds, hours } = budget;
  const limit = (value: number | bigint, unit: string) => (value > 0 ? `${value}${unit}` : 'no limit');
  const inWindow = ` in ${windowSeconds} s`;
  const span = hours.map(({ fromMinute, toMinute }) => `${clock(fromMinute)}-${clock(toMinute)}`);
  return [
    `tokens    ${limit(tokensPerWindow, inWindow)}`,
    `lifetime  ${limit(lifetimeSecondsPerWindow, ` s${inWindow}`)}`,
    `fan-out   ${limit(fanOut, ` audiences${inWindow}`)}`,
    `depth     ${limit(chainDepthMax, ' actors')}`,
    `hours     ${span.join(' ') || 'always'}${span.length > 0 ? ' UTC' : ''}`,
  ];
}

function clock(minute: number): string {
  const two = (part: number) => String(part).padStart(2, '0');
  return `${two(Math.floor(minute / 60))}:${two(minute % 60)}`;
}
