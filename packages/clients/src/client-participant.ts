import { append } from '@mono-auth/audit';
import { notFound, Refusal } from '@mono-auth/core/errors';
import type { ClientId } from '@mono-auth/core/ids';
import type { Runtime } from '@mono-auth/core/runtime';
import type { TenantTx } from '@mono-auth/database';
import type { Casualty, RevocationParticipant } from '@mono-auth/revocation';
import type { Client } from './client.ts';
import { retireResourceOf } from './store/resources.ts';
import { endSecretsOf, selectLivingSecrets } from './store/secrets.ts';
import { lockClient, markRetired, selectClient } from './store.ts';

/**
 * What a revocation does to a client that is no host's: it is retired for good, with its secrets and the resource that it is.
 * Its tokens die by the feed.
 */
export function clientParticipant(runtime: Runtime): RevocationParticipant {
  return {
    kind: 'client',
    async preview(tx, target) {
      if (target.kind !== 'client') return [];
      const { status, id } = ownClient(await selectClient(tx, target.id));
      const secrets = status === 'retired' ? [] : await selectLivingSecrets(tx, [id], runtime.nowMs());
      return casualties(status === 'approved' ? 1 : 0, secrets.length);
    },
    async apply(tx, call, target) {
      if (target.kind !== 'client') return [];
      ownClient(await lockClient(tx, target.id));
      return retire(tx, target.id, call.runtime.nowMs(), async () => {
        await append(tx, call, { type: 'client.retired', object: { kind: 'client', id: target.id }, detail: {} });
      });
    },
  };
}

async function retire(tx: TenantTx, id: ClientId, nowMs: number, record: () => Promise<void>): Promise<Casualty[]> {
  const was = await markRetired(tx, id);
  const secrets = await endSecretsOf(tx, id, nowMs);
  await retireResourceOf(tx, id);
  if (was !== undefined) await record();
  return casualties(was === 'approved' ? 1 : 0, secrets);
}

function casualties(clients: number, secrets: number): Casualty[] {
  const ended = secrets > 0 ? [{ kind: 'client_secret', count: secrets }] : [];
  return [{ kind: 'client', count: clients }, ...ended];
}

/** A host without its client would be neither alive nor dead: the host is revoked, and its client with it. */
function ownClient(client: Client | undefined): Client {
  if (!client) throw notFound('client');
  if (client.hostId) throw new Refusal('invalid_request', 'target.client_id: is of a host; revoke the host');
  return client;
}
