import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  AgentSchema,
  HostSchema,
  InviteSchema,
  AgentStatus as WireAgentStatus,
  HostStatus as WireHostStatus,
  InviteStatus as WireInviteStatus,
} from '@mono-auth/proto/monoauth/machines/v1/machines';
import type { Agent, AgentStatus } from './agent.ts';
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
