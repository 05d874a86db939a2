import type { AgentId, HostId, UserId } from '@mono-auth/core/ids';

export type AgentStatus = 'active' | 'suspended' | 'revoked';

export interface Agent {
  readonly id: AgentId;
  readonly name: string;
  readonly hostId: HostId;
  /** The person who answers for the agent. */
  readonly ownerUserId: UserId;
  readonly status: AgentStatus;
  /** Scope values that its tokens may carry. */
  readonly scopes: string[];
  readonly createdAtMs: number;
}
