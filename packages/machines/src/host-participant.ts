import { findClient, hostClients } from '@mono-auth/clients';
import { notFound } from '@mono-auth/core/errors';
import type { HostId } from '@mono-auth/core/ids';
import type { TenantTx } from '@mono-auth/database';
import type { Casualty, RevocationParticipant } from '@mono-auth/revocation';
import { countLivingAgents, revokeAgents } from './store/agents.ts';
import { lockHost, selectHost, updateHostStatus } from './store/hosts.ts';

/**
 * What dies with a host: it, its clients and its agents. Their tokens die by the feed entry that the revocation itself
 * appends. A host that was revoked before is revoked again, with no further casualties.
 */
export function hostParticipant(): RevocationParticipant {
  return {
    kind: 'host',
    async preview(tx, target) {
      if (target.kind !== 'host') return [];
      const host = await selectHost(tx, target.id);
      if (!host) throw notFound('host');
      const client = await findClient(tx, host.clientId);
      return casualties(
        host.status === 'revoked' ? 0 : 1,
        client?.status === 'approved' ? 1 : 0,
        await countLivingAgents(tx, host.id),
      );
    },
    async apply(tx, _call, target) {
      if (target.kind !== 'host') return [];
      const host = await lockHost(tx, target.id);
      if (!host) throw notFound('host');
      if (host.status === 'revoked') return casualties(0, 0, 0);
      return revokeHost(tx, host.id);
    },
  };
}

async function revokeHost(tx: TenantTx, hostId: HostId): Promise<Casualty[]> {
  await updateHostStatus(tx, hostId, 'revoked');
  // Retired and not only suspended: revoking is final, and a host that enrols anew may bear the name.
  const clients = await hostClients.retireHostClients(tx, hostId);
  return casualties(1, clients, await revokeAgents(tx, hostId));
}

function casualties(hosts: number, clients: number, agents: number): Casualty[] {
  return [
    { kind: 'host', count: hosts },
    { kind: 'client', count: clients },
    { kind: 'agent', count: agents },
  ];
}
