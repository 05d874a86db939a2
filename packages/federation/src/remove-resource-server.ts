import { append } from '@mono-auth/audit';
import { notFound } from '@mono-auth/core/errors';
import type { GrantId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import type { Casualty } from '@mono-auth/revocation';
import type { ResourceServerTrust } from './resource-server-trust.ts';
import { endResourceServer, lockResourceServer } from './store/resource-servers.ts';

/**
 * Makes no more assertions for it. Those that were made are beyond our reach and expire within minutes. A repetition changes
 * nothing.
 * @throws Refusal `not_found`.
 */
export async function removeResourceServer(tx: TenantTx, call: Call, id: GrantId): Promise<ResourceServerTrust> {
  return (await endTrust(tx, call, id)).trust;
}

/** The same, and what has ended by it now. @throws Refusal `not_found`. */
export async function endTrust(
  tx: TenantTx,
  call: Call,
  id: GrantId,
): Promise<{ readonly trust: ResourceServerTrust; readonly ended: Casualty[] }> {
  const found = await lockResourceServer(tx, id);
  if (!found) throw notFound('resource server');
  if (!found.living) return { trust: found.trust, ended: [] };
  await endResourceServer(tx, id, call.runtime.nowMs());
  await append(tx, call, { type: 'resource_server.removed', object: { kind: 'resource_server', id } });
  return { trust: found.trust, ended: [{ kind: 'resource_server', count: 1 }] };
}
