import { notFound, Refusal } from '@mono-auth/core/errors';
import type { ClientId } from '@mono-auth/core/ids';
import type { TenantTx } from '@mono-auth/database';
import type { RevocationParticipant } from '@mono-auth/revocation';
import type { Client } from './client.ts';
import { retireClient, selectClient } from './store.ts';

/** What a revocation does to clients that are no host's: they are retired, and their tokens die by the feed. */
export function clientParticipant(): RevocationParticipant {
  return {
    kind: 'client',
    async preview(tx, target) {
      if (target.kind !== 'client') return [];
      const { status } = await requireOwnClient(tx, target.id);
      return [{ kind: 'client', count: status === 'approved' ? 1 : 0 }];
    },
    async apply(tx, _call, target) {
      if (target.kind !== 'client') return [];
      await requireOwnClient(tx, target.id);
      return [{ kind: 'client', count: (await retireClient(tx, target.id)) ? 1 : 0 }];
    },
  };
}

/** A host without its client would be neither alive nor dead: the host is revoked, and its client with it. */
async function requireOwnClient(tx: TenantTx, id: ClientId): Promise<Client> {
  const client = await selectClient(tx, id);
  if (!client) throw notFound('client');
  if (client.hostId) throw new Refusal('invalid_request', 'target.client_id: is of a host; revoke the host');
  return client;
}
