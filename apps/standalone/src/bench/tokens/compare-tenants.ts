import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Tenant } from '@mono-auth/tenants';
import { askForOwnToken, basic, type Contestant, formRequest, type Served, tokenOfForm } from './contestant.ts';
import type { Installation } from './installation.ts';
import { seedSecretClients } from './seed-clients.ts';
import { seedTenants } from './seed-tenants.ts';

/**
 * A row whose requests go round all tenants and, with every lap, to other clients of theirs: no request meets the tenant of
 * the one before, and no client comes twice before all others have come.
 */
export async function manyTenants(
  installation: Installation,
  server: Served,
  { tenants: tenantCount, clients: clientCount }: { readonly tenants: number; readonly clients: number },
): Promise<Contestant> {
  const tenants = await seedTenants(installation, tenantCount);
  const each = Math.ceil(clientCount / tenantCount);
  const ofTenants: { tenant: Tenant; clients: readonly { id: string; secret: string }[] }[] = [];
  for (const tenant of tenants) {
    const clients = await seedSecretClients(installation.database, tenant.id, 'client_secret_basic', each);
    ofTenants.push({ tenant, clients });
  }
  const requests = Array.from({ length: each }, (_, lap) =>
    ofTenants.flatMap(({ tenant, clients }) => {
      const client = clients[lap];
      const path = `${new URL(tenant.issuer).pathname}/oauth2/token`;
      return client ? [formRequest(path, askForOwnToken, basic(client))] : [];
    }),
  ).flat();
  // By file: the generator's line would be tens of megabytes.
  const file = join(installation.directory, 'requests.json');
  writeFileSync(file, JSON.stringify(requests));
  return {
    name: `client_credentials over ${tenants.length} tenants, ${requests.length} clients`,
    firstLap: true,
    ...{ server, tokenOf: tokenOfForm, prepare: async () => ({ requests: file }) },
    issuers: new Map(tenants.map(({ issuer }) => [issuer, new URL(`${issuer}/jwks`)])),
  };
}
