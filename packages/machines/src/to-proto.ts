import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Refusal } from '@mono-auth/core/errors';
import { parseId } from '@mono-auth/core/ids';
import {
  AgentSchema,
  HostSchema,
  InviteSchema,
  MintBudgetSchema,
  AgentStatus as WireAgentStatus,
  type BudgetHolder as WireBudgetHolder,
  HostStatus as WireHostStatus,
  InviteStatus as WireInviteStatus,
  type MintBudget as WireMintBudget,
} from '@mono-auth/proto/monoauth/machines/v1/machines';
import type { Agent, AgentStatus } from './agent.ts';
import { type BudgetHolder, type MintBudget, noBudget, type VersionedBudget } from './budgets/mint-budget.ts';
import type { Host, HostStatus } from './host.ts';
import type { Invite } from './invite.ts';

const hostStatus: Record<HostStatus, WireHostStatus> = {
  active: WireHostStatus.ACTIVE,
  quarantined: WireHostStatus.QUARANTINED,
  revoked: WireHostStatus.REVOKED,
};
const agentStatus: Record<AgentStatus, WireAgentStatus> = {
  active: WireAgentStatus.ACTIVE,
  suspended: WireAgentStatus.SUSPENDED,
  revoked: WireAgentStatus.REVOKED,
};
const inviteStatus: Record<Invite['status'], WireInviteStatus> = {
  open: WireInviteStatus.OPEN,
  redeemed: WireInviteStatus.REDEEMED,
  revoked: WireInviteStatus.REVOKED,
};

/** An open invite whose time is over is shown as expired: the clock decides, no job has to. */
export function inviteToProto(invite: Invite, nowMs: number) {
  const expired = invite.status === 'open' && invite.expiresAtMs <= nowMs;
  return create(InviteSchema, {
    id: invite.id,
    hostName: invite.hostName,
    status: expired ? WireInviteStatus.EXPIRED : inviteStatus[invite.status],
    createdAt: timestampFromMs(invite.createdAtMs),
    expiresAt: timestampFromMs(invite.expiresAtMs),
    scopes: invite.scopes,
    audiences: invite.audiences,
  });
}

export function hostToProto(host: Host) {
  return create(HostSchema, {
    id: host.id,
    name: host.name,
    status: hostStatus[host.status],
    generation: BigInt(host.generation),
    clientId: host.clientId,
    jkt: host.jkt,
    enrolledAt: timestampFromMs(host.enrolledAtMs),
    ...(host.renewedAtMs !== undefined && { renewedAt: timestampFromMs(host.renewedAtMs) }),
  });
}

export function agentToProto(agent: Agent) {
  return create(AgentSchema, {
    id: agent.id,
    name: agent.name,
    hostId: agent.hostId,
    ownerUserId: agent.ownerUserId,
    status: agentStatus[agent.status],
    scopes: agent.scopes,
    createdAt: timestampFromMs(agent.createdAtMs),
  });
}

/** @throws Refusal `invalid_request` naming the field. */
export function holderFromProto(wire: WireBudgetHolder | undefined): BudgetHolder {
  const { case: kind, value } = wire?.holder ?? { case: undefined, value: undefined };
  switch (kind) {
    case 'agentId':
      return { kind: 'agent', id: parseId('agt', value, 'holder.agent_id') };
    case 'hostId':
      return { kind: 'host', id: parseId('hst', value, 'holder.host_id') };
    case 'clientId':
      return { kind: 'client', id: parseId('cli', value, 'holder.client_id') };
    default:
      throw new Refusal('invalid_request', 'holder: one of agent_id, host_id, client_id');
  }
}

export function budgetFromProto(wire: WireMintBudget | undefined): MintBudget {
  if (!wire) return noBudget;
  return {
    tokensPerWindow: Number(wire.tokensPerWindow),
    windowSeconds: wire.windowSeconds,
    lifetimeSecondsPerWindow: Number(wire.lifetimeSecondsPerWindow),
    fanOut: wire.fanOut,
    chainDepthMax: wire.chainDepthMax,
    hours: wire.hours.map(({ fromMinute, toMinute }) => ({ fromMinute, toMinute })),
  };
}

export function budgetToProto({ budget, version }: VersionedBudget) {
  return {
    budget: create(MintBudgetSchema, {
      ...budget,
      tokensPerWindow: BigInt(budget.tokensPerWindow),
      lifetimeSecondsPerWindow: BigInt(budget.lifetimeSecondsPerWindow),
      hours: [...budget.hours],
    }),
    version: BigInt(version),
  };
}
