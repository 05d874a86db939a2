import type { AgentId, HostId } from '@mono-auth/core/ids';
import type { Principal } from '@mono-auth/core/principal';
import type { Runtime } from '@mono-auth/core/runtime';
import type { TenantTx } from '@mono-auth/database';
import type { Casualty, RevocationParticipant, RevocationTarget } from '@mono-auth/revocation';
import {
  type AssignmentSelection,
  countLivingAssignments,
  endAssignments,
  selectAssignment,
} from '../store/assignments.ts';

interface RoleParticipantDeps {
  readonly runtime: Runtime;
  /** The agents of a host, which end with it. */
  readonly agentsOf: (tx: TenantTx, hostId: HostId) => Promise<readonly AgentId[]>;
}

/**
 * What a revocation does to roles: an assignment ends by its own id, and with the agent, host or client that is gone for good.
 * A person keeps theirs: a revocation ends their sessions and tokens until now, and what they are here is not a credential.
 */
export function roleParticipant({ runtime, agentsOf }: RoleParticipantDeps): RevocationParticipant {
  const casualty = (count: number): Casualty[] => (count > 0 ? [{ kind: 'role_assignment', count }] : []);
  const selectionOf = async (tx: TenantTx, target: RevocationTarget): Promise<AssignmentSelection | undefined> => {
    switch (target.kind) {
      case 'grant':
        return (await selectAssignment(tx, target.id)) ? { id: target.id } : undefined;
      case 'agent':
        return { principals: [`agent:${target.id}`] };
      case 'host':
        return { principals: (await agentsOf(tx, target.id)).map((id): Principal => `agent:${id}`) };
      case 'client':
        return { principals: [`client:${target.id}`, `service:${target.id}`] };
      default:
        return undefined;
    }
  };
  return {
    kind: 'role_assignment',
    async preview(tx, target) {
      const selection = await selectionOf(tx, target);
      return selection ? casualty(await countLivingAssignments(tx, selection, runtime.nowMs())) : [];
    },
    async apply(tx, call, target) {
      const selection = await selectionOf(tx, target);
      return selection ? casualty(await endAssignments(tx, selection, call.runtime.nowMs())) : [];
    },
  };
}
