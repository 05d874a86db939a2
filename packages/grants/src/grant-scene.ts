import { createClient } from '@mono-auth/clients';
import { type ClientId, newId, type TenantId, type UserId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import type { Runtime } from '@mono-auth/core/runtime';
import type { Database, TenantTx } from '@mono-auth/database';
import { Feed } from '@mono-auth/feed';
import { createLocalKms, openKeyring } from '@mono-auth/keys';
import { systemCaller } from '@mono-auth/tenants';
import { exportJWK, generateKeyPair } from 'jose';
import { beginGrant } from './begin-grant.ts';
import type { Grant } from './grant.ts';

/** Two tenants with a feed, each with two clients: what the tests of this package stand on. */
export interface GrantScene {
  readonly feed: Feed;
  readonly home: ScenePart;
  readonly other: ScenePart;
}

export interface ScenePart {
  readonly tenantId: TenantId;
  readonly call: Call;
  readonly clientId: ClientId;
  readonly neighbourId: ClientId;
  run<T>(work: (tx: TenantTx) => Promise<T>): Promise<T>;
  begin(change?: Partial<Grant>): Promise<{ grant: Grant; refreshToken: string }>;
}

export interface SceneGround {
  readonly database: Database;
  createTenantRow(slug: string): Promise<TenantId>;
  readonly runtime: Runtime;
  readonly kek: Uint8Array;
}

const day = 86_400_000;

export async function openGrantScene({ database, createTenantRow, runtime, kek }: SceneGround): Promise<GrantScene> {
  const ids = [await createTenantRow('home'), await createTenantRow('other')] as const;
  const kms = createLocalKms(kek, runtime);
  const keys = openKeyring({
    database,
    runtime,
    kms,
    platformIssuer: 'https://id.test',
    rootTenant: async () => ids[0],
  });
  const ephemeral = { publish: async () => {}, subscribe: async () => async () => {} };
  const feed = new Feed({ database, ephemeral, keys, runtime });
  const { publicKey } = await generateKeyPair('ES256', { extractable: true });
  const jwk = await exportJWK(publicKey);

  async function open(tenantId: TenantId, slug: string): Promise<ScenePart> {
    const call = { runtime, caller: systemCaller({ id: tenantId, slug }, newId(runtime, 'req')) };
    const run = <T>(work: (tx: TenantTx) => Promise<T>) => database.forTenant(tenantId, work);
    await run((tx) => feed.provision(tx, 1));
    const client = async (name: string) => {
      const jwks = { keys: [{ ...jwk, kid: name }] };
      const input = { kind: 'machine', name, scopes: ['a'], audiences: [], jwks, baseUrl: 'https://id.test' } as const;
      return (await run((tx) => createClient(tx, call, input))).client.id;
    };
    const clientId = await client('app');
    const neighbourId = await client('neighbour');
    return {
      ...{ tenantId, call, clientId, neighbourId, run },
      async begin(change = {}) {
        const grant: Grant = {
          id: newId(runtime, 'gra'),
          clientId,
          userId: newId(runtime, 'usr') as UserId,
          sessionId: undefined,
          scopes: ['a', 'offline_access'],
          resources: [],
          authTimeMs: runtime.nowMs(),
          dpopJkt: undefined,
          epoch: 1,
          feedSeq: 0,
          createdAtMs: runtime.nowMs(),
          expiresAtMs: runtime.nowMs() + 30 * day,
          endedAtMs: undefined,
          ...change,
        };
        const { refreshToken } = await run((tx) => beginGrant(tx, call, { ...grant, refreshable: true }));
        return { grant, refreshToken: refreshToken as string };
      },
    };
  }

  return { feed, home: await open(ids[0], 'home'), other: await open(ids[1], 'other') };
}
