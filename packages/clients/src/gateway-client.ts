import { append } from '@mono-auth/audit';
import { Refusal } from '@mono-auth/core/errors';
import type { Permission } from '@mono-auth/core/permissions';
import type { Call } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import type { Client } from './client.ts';
import { newClient } from './create-client.ts';
import { keyedManifest } from './manifest.ts';
import { insertClient, selectClientByResource } from './store.ts';

const gatewayScopes: readonly Permission[] = ['feed:follow'];

/**
 * The client as which the installation's own gateway follows the tenant's feed; made when it is first asked for. It is
 * known by a resource below the tenant's issuer, which `createClient` gives to nobody, so no client of the tenant passes
 * for it. It has no key: nobody can authenticate as it, its tokens are minted in process.
 * @throws Refusal `denied` once an operator has retired it: a resource is one client's for ever.
 */
export async function ensureGatewayClient(tx: TenantTx, call: Call, resource: string): Promise<Client> {
  const known = await selectClientByResource(tx, resource);
  if (known) return known;
  const manifest = keyedManifest({ scopes: [...gatewayScopes], audiences: [], jwks: { keys: [] } });
  const about = { kind: 'service', name: 'gateway', environment: 'production', product: '' } as const;
  const made = { ...newClient(call, about, manifest), resource };
  // The tenant may have a client of that name already; ours is then told apart by its id.
  for (const client of [made, { ...made, name: `gateway ${made.id}` }]) {
    if (await insertClient(tx, client, undefined)) {
      const object = { kind: 'client', id: client.id } as const;
      const detail = { kind: client.kind, name: client.name, resource };
      await append(tx, call, { type: 'client.created', object, detail });
      return client;
    }
    // Made in parallel: the insert has waited for the first.
    const first = await selectClientByResource(tx, resource);
    if (first) return first;
  }
  throw new Refusal('denied', 'the client of the gateway has been retired');
}
