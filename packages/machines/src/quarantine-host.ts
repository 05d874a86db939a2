import { append } from '@mono-auth/audit';
import { hostClients } from '@mono-auth/clients';
import { newId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import type { Feed } from '@mono-auth/feed';
import type { Host } from './host.ts';
import { updateHostStatus } from './store/hosts.ts';

/**
 * Stops a host that somebody has copied: its clients obtain nothing, and the feed ends every token that it or an agent
 * on it holds (each names the host as `sub` or in `act`). Nobody can say which of the two is the host, so both stop.
 */
export async function quarantineHost(
  tx: TenantTx,
  call: Call,
  feed: Pick<Feed, 'append'>,
  host: Host,
  reason: string,
): Promise<void> {
  await updateHostStatus(tx, host.id, 'quarantined');
  await hostClients.suspendHostClients(tx, host.id);
  await append(tx, call, {
    type: 'host.quarantined',
    reason,
    object: { kind: 'host', id: host.id },
    detail: { generation: host.generation },
  });
  const target = { kind: 'host', id: host.id } as const;
  // Last: it holds the feed's head until the end of the transaction.
  await feed.append(tx, [
    { kind: 'revocation', payload: { v: 1, id: newId(call.runtime, 'rev'), target, reason: `quarantined: ${reason}` } },
  ]);
}
