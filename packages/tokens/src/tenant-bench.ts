import { createNonceWindow, createPostgresEphemeral, type NonceWindow } from '@mono-auth/cache';
import { clientAuthentication } from '@mono-auth/clients';
import { newId, type SessionId, type TenantId, type UserId } from '@mono-auth/core/ids';
import type { Runtime } from '@mono-auth/core/runtime';
import { accessTokenType } from '@mono-auth/core/token-claims';
import type { Database } from '@mono-auth/database';
import { Feed } from '@mono-auth/feed';
import { createLocalKms, type Keyring, openKeyring, signJwt } from '@mono-auth/keys';
import { type Minted, type Minter, type MintRequest, openMinter } from '@mono-auth/minting';
import { createPolicySource, type PolicySource, policyProvisionStep } from '@mono-auth/policy';
import { type RevocationParticipant, type RevocationTarget, revoke } from '@mono-auth/revocation';
import {
  advanceEpoch,
  createTenantDirectory,
  systemCaller,
  type Tenant,
  type TenantDirectory,
} from '@mono-auth/tenants';

/** What a test file hands over: its own database, its clock and its key-encryption key. */
export interface BenchGround {
  readonly database: Database;
  createTenantRow(slug: string): Promise<TenantId>;
  readonly slugs: readonly [string, string];
  readonly runtime: Runtime;
  readonly kek: Uint8Array;
}

/** Two tenants with real keys and feeds, and people in them: what every protocol test of this package stands on. */
export interface TenantBench {
  readonly database: Database;
  readonly runtime: Runtime;
  readonly baseUrl: string;
  readonly keys: Keyring;
  readonly feed: Feed;
  readonly minter: Minter;
  readonly policies: PolicySource;
  readonly tenants: TenantDirectory;
  readonly dpopNonces: NonceWindow;
  readonly attestationChallenges: NonceWindow;
  readonly remoteKeys: clientAuthentication.RemoteKeys;
  readonly noteSecretUse: clientAuthentication.NoteSecretUse;
  readonly home: Tenant;
  readonly other: Tenant;
  /** A token as a person's session gets it; by default one for exchange. */
  mint(tenant: Tenant, change?: Partial<MintRequest>): Promise<Minted>;
  /** Any claims at all, really signed by the tenant's token key. */
  sign(tenant: Tenant, claims: object, typ?: string): Promise<string>;
  revoke(tenant: Tenant, target: RevocationTarget, participants?: readonly RevocationParticipant[]): Promise<void>;
}

const baseUrl = 'https://id.test';

export async function openTenantBench({
  database,
  createTenantRow,
  slugs,
  runtime,
  kek,
}: BenchGround): Promise<TenantBench> {
  const ids = [await createTenantRow(slugs[0]), await createTenantRow(slugs[1])] as const;
  const kms = createLocalKms(kek, runtime);
  const keys = openKeyring({ database, runtime, kms, platformIssuer: baseUrl, rootTenant: async () => ids[0] });
  const ephemeral = { publish: async () => {}, subscribe: async () => () => {} };
  const feed = new Feed({ database, ephemeral, keys, runtime });
  const tenants = createTenantDirectory({ database, runtime, baseUrl });
  const policy = policyProvisionStep({ runtime });
  const [home, other] = (await Promise.all(ids.map((id) => tenants.byId(id)))) as [Tenant, Tenant];
  for (const tenant of [home, other]) {
    await database.forTenant(tenant.id, async (tx) => {
      await keys.provision(tx);
      await feed.provision(tx, 1);
      await policy.prepare?.(tx, tenant);
    });
  }
  const minter = openMinter({ database, runtime, keys, feed, baseUrl });
  const nonceGround = { ephemeral: createPostgresEphemeral({ database, runtime }), runtime, secret: kek };
  const callAt = (tenant: Tenant) => ({ runtime, caller: systemCaller(tenant, newId(runtime, 'req')) });

  return {
    database,
    runtime,
    baseUrl,
    keys,
    feed,
    minter,
    policies: createPolicySource({ database }),
    dpopNonces: createNonceWindow(nonceGround, { kind: 'dpop_proof', windowMs: 120_000 }),
    attestationChallenges: createNonceWindow(nonceGround, { kind: 'attestation_challenge', windowMs: 120_000 }),
    noteSecretUse: clientAuthentication.secretUseNoter(database),
    remoteKeys: new clientAuthentication.RemoteKeys(runtime, { allowLoopback: true }),
    tenants,
    home,
    other,
    mint: (tenant, change = {}) =>
      database.forTenant(tenant.id, async (tx) => {
        const context = await minter.begin(tx);
        return minter.mint(tx, callAt(tenant), context, {
          subject: `user:${newId(runtime, 'usr') as UserId}`,
          clientId: 'mono-auth-session',
          audience: tenant.issuer,
          scope: ['files:read', 'files:write'],
          ttlSeconds: 600,
          sessionId: newId(runtime, 'ses') as SessionId,
          tenantRole: 'member',
          ...change,
        });
      }),
    sign: async (tenant, claims, typ = accessTokenType) => signJwt(await keys.signer(tenant.id, 'token'), typ, claims),
    async revoke(tenant, target, participants = []) {
      const deps = { database, runtime, feed, participants, advanceEpoch };
      await revoke(deps, callAt(tenant), { target, reason: 'test', waitMs: 0 });
    },
  };
}
