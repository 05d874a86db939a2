import { auditProvisionStep } from '@mono-auth/audit';
import { newId } from '@mono-auth/core/ids';
import { systemRuntime as runtime } from '@mono-auth/core/runtime';
import { issuerOf, logOriginOf, platformSlug } from '@mono-auth/core/tenant-slug';
import { Feed } from '@mono-auth/feed';
import { createLocalKms, openKeyring } from '@mono-auth/keys';
import { policyProvisionStep } from '@mono-auth/policy';
import { createTenantDirectory, type ProvisionStep, provisionTenant, type Tenant } from '@mono-auth/tenants';
import type { Installation } from './installation.ts';

/** Tenants that are provisioned at once. */
const atOnce = 4;

/**
 * Provisions tenants as the server does it, by its own steps, but for the owner: whoever only asks for tokens needs no
 * person, and a password for each would take minutes.
 */
export async function seedTenants({ database, kek, baseUrl }: Installation, count: number): Promise<Tenant[]> {
  const directory = createTenantDirectory({ database, runtime, baseUrl });
  const keys = openKeyring({
    ...{ database, runtime, kms: createLocalKms(kek, runtime), platformIssuer: issuerOf(baseUrl, platformSlug) },
    rootTenant: async () => ((await directory.bySlug(platformSlug)) as Tenant).id,
  });
  const feed = new Feed({
    database,
    keys,
    runtime,
    ephemeral: { publish: async () => {}, subscribe: async () => () => {} },
  });
  const originOf = async (id: Tenant['id']) => logOriginOf(baseUrl, ((await directory.byId(id)) as Tenant).slug);
  const steps: ProvisionStep[] = [
    { name: 'keys', prepare: (tx) => keys.provision(tx) },
    auditProvisionStep({ database, keys, runtime, originOf }),
    { name: 'feed', prepare: (tx, { incarnation }) => feed.provision(tx, incarnation) },
    policyProvisionStep({ runtime }),
  ];
  const made: Tenant[] = [];
  const lanes = Array.from({ length: atOnce }, async (_, lane) => {
    for (let i = lane; i < count; i += atOnce) {
      const input = { slug: `bench-${i}`, displayName: `Bench ${i}`, ownerEmail: '', ownerPassword: '' };
      const call = { runtime, requestId: newId(runtime, 'req'), caller: undefined };
      made.push((await provisionTenant({ database, directory, steps, baseUrl }, call, input)).tenant);
    }
  });
  await Promise.all(lanes);
  return made;
}
