import { createPostgresEphemeral } from '@mono-auth/cache';
import { newId, type TenantId, type UserId } from '@mono-auth/core/ids';
import type { Runtime } from '@mono-auth/core/runtime';
import { issuerOf } from '@mono-auth/core/tenant-slug';
import type { Database } from '@mono-auth/database';
import { Feed } from '@mono-auth/feed';
import { createLocalKms, type Keyring, openKeyring } from '@mono-auth/keys';
import { openMinter } from '@mono-auth/minting';
import { addMember, createTenantDirectory, type Tenant } from '@mono-auth/tenants';
import { Hono } from 'hono';
import type { IdentityDeps } from './context.ts';
import { type Identity, openIdentity } from './identity.ts';

/** Everything that identity stands on, real, for its tests; and a browser to look at it with. */
/** The one agent that is active in every tenant of a scene. */
export const knownAgent = 'agt_01h2xcejqtf2nbrexx3vqjhp41';

export interface Scene {
  readonly identity: Identity;
  readonly deps: IdentityDeps;
  readonly feed: Feed;
  readonly keys: Keyring;
  readonly logged: string[];
  openTenant(slug: string): Promise<Tenant>;
  openUser(tenant: Tenant, email: string, password: string): Promise<UserId>;
  /** Sends a request to the hosted app, as the edge would. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
}

export interface SceneParts {
  readonly database: Database;
  readonly runtime: Runtime;
  readonly baseUrl: string;
  readonly createTenantRow: (slug: string) => Promise<TenantId>;
  readonly kek: Uint8Array;
  readonly change?: (deps: IdentityDeps) => Partial<IdentityDeps>;
}

export function openScene({ database, runtime, baseUrl, createTenantRow, kek, change }: SceneParts): Scene {
  const tenants = createTenantDirectory({ database, runtime, baseUrl });
  const ephemeral = createPostgresEphemeral({ database, runtime });
  const keys = openKeyring({
    database,
    runtime,
    kms: createLocalKms(kek),
    platformIssuer: baseUrl,
    rootTenant: async () => newId(runtime, 'ten'),
  });
  const feed = new Feed({ database, ephemeral, keys, runtime });
  const logged: string[] = [];
  const deps: IdentityDeps = {
    database,
    runtime,
    tenants,
    minter: openMinter({ database, runtime, keys, feed, baseUrl }),
    feed,
    keys,
    ephemeral,
    baseUrl,
    secret: () => kek,
    isActiveAgent: async (_tx, id) => id === knownAgent,
    isKnownAudience: async (_tx, audience) => audience === 'https://orders.example',
    originOf: () => ({ requestId: newId(runtime, 'req'), ip: '192.0.2.7' }),
    log: (message) => logged.push(message),
  };
  const changed = { ...deps, ...change?.(deps) };
  const identity = openIdentity(changed);
  const app = new Hono().route('/t/:slug', identity.routes());
  return {
    identity,
    deps: changed,
    feed,
    keys,
    logged,
    async openTenant(slug) {
      const id = await createTenantRow(slug);
      await database.forTenant(id, async (tx) => {
        await keys.provision(tx);
        await feed.provision(tx, 1);
      });
      const tenant = await tenants.byId(id);
      if (tenant?.issuer !== issuerOf(baseUrl, slug)) throw new TypeError('the directory knows another tenant');
      return tenant;
    },
    async openUser(tenant, email, password) {
      const id = await identity.createUser(tenant, { email, password, name: 'Ada' });
      await database.forTenant(tenant.id, (tx) => addMember(tx, id, 'owner', runtime.nowMs()));
      return id;
    },
    fetch: async (path, init) => app.fetch(new Request(`${new URL(baseUrl).origin}${path}`, init)),
  };
}
