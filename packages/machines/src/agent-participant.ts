import { notFound } from '@mono-auth/core/errors';
import type { RevocationParticipant } from '@mono-auth/revocation';
import { revokeAgent, selectAgent } from './store/agents.ts';

/** What a revocation does to one agent: its host and the host's other agents go on. */
export function agentParticipant(): RevocationParticipant {
  return {
    kind: 'agent',
    async preview(tx, target) {
      if (target.kind !== 'agent') return [];
      const agent = await selectAgent(tx, target.id);
      if (!agent) throw notFound('agent');
      return [{ kind: 'agent', count: agent.status === 'revoked' ? 0 : 1 }];
    },
    async apply(tx, _call, target) {
      if (target.kind !== 'agent') return [];
      if (!(await selectAgent(tx, target.id))) throw notFound('agent');
      return [{ kind: 'agent', count: (await revokeAgent(tx, target.id)) ? 1 : 0 }];
    },
  };
}
