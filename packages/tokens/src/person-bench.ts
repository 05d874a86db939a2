import { createHash } from 'node:crypto';
import { createClient } from '@mono-auth/clients';
import { base64url, utf8 } from '@mono-auth/core/encoding';
import { newId, type SessionId, type TenantId, type UserId } from '@mono-auth/core/ids';
import type { TenantRole } from '@mono-auth/core/principal';
import { addMember, systemCaller, type Tenant } from '@mono-auth/tenants';
import { makeClientKey, type TestClient } from './client-key.ts';
import type { AuthorizationCode, AuthorizationCodes } from './people.ts';
import type { TenantBench } from './tenant-bench.ts';

export interface TestPerson {
  readonly userId: UserId;
  readonly sessionId: SessionId;
}

type ManifestInput = NonNullable<Parameters<typeof createClient>[2]['manifest']>;

/** People with sessions, apps, and codes as the authorization endpoint would have left them: the rows are real. */
export interface PersonBench {
  /** The codes that were planted, as identity reads them. */
  readonly codes: AuthorizationCodes;
  openPerson(tenant: Tenant, role?: TenantRole): Promise<TestPerson>;
  /** Registers an API; by default the apps' own, of production, for whatever scopes its clients have. */
  registerResource(tenant: Tenant, change?: Partial<Api>): Promise<void>;
  createApp(tenant: Tenant, name: string, manifest?: Partial<ManifestInput>): Promise<TestClient>;
  /** @returns the form of its redemption. */
  plantCode(client: TestClient, person: TestPerson, change?: Partial<AuthorizationCode>): Record<string, string>;
}

export const redirectUri = 'https://app.test/callback';
export const appScopes = [
  'openid',
  'profile',
  'offline_access',
  'files:read',
  'files:write',
  'tenants:read',
  'policy:publish',
];
export const appAudience = 'https://files.test';
const sessionTtlMs = 8 * 3_600_000;
const usualResource: Api = {
  identifier: appAudience,
  environment: 'production',
  scopes: [],
  accessTokenTtlSeconds: 0,
  dpopRequired: false,
  isDefault: false,
};

interface Api {
  readonly identifier: string;
  readonly environment: 'development' | 'staging' | 'production';
  readonly scopes: readonly string[];
  readonly accessTokenTtlSeconds: number;
  readonly dpopRequired: boolean;
  readonly isDefault: boolean;
}

/** Rows that only the database of a test can write. */
interface Seeds {
  seedSession(session: TestPerson & { tenantId: TenantId; nowMs: number; expiresAtMs: number }): Promise<void>;
  seedResource(tenantId: TenantId, api: Api, nowMs: number): Promise<void>;
}

export function openPersonBench(bench: TenantBench, seeds: Seeds): PersonBench {
  const { runtime, database, baseUrl } = bench;
  const planted = new Map<string, AuthorizationCode>();
  const keyOf = (tenant: Tenant, code: string) => `${tenant.id} ${code}`;
  return {
    codes: {
      readAuthorizationCode: async (tenant, code) => planted.get(keyOf(tenant, code)),
      // Kept, as identity may: that a code works once does not hang on it.
      forgetAuthorizationCode: async () => {},
    },

    async openPerson(tenant, role = 'member') {
      const userId = newId(runtime, 'usr');
      const sessionId = newId(runtime, 'ses');
      const nowMs = runtime.nowMs();
      await seeds.seedSession({ tenantId: tenant.id, userId, sessionId, nowMs, expiresAtMs: nowMs + sessionTtlMs });
      await database.forTenant(tenant.id, (tx) => addMember(tx, userId, role, runtime.nowMs()));
      return { userId, sessionId };
    },

    registerResource: (tenant, change = {}) =>
      seeds.seedResource(tenant.id, { ...usualResource, ...change }, runtime.nowMs()),

    async createApp(tenant, name, change = {}) {
      const key = await makeClientKey(runtime);
      const caller = { ...systemCaller(tenant, newId(runtime, 'req')), scope: new Set(['clients:approve']) };
      const manifest = {
        scopes: appScopes,
        audiences: [appAudience],
        grantTypes: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
        redirectUris: [redirectUri],
        jwks: { keys: [key.publicJwk] },
        ...change,
      } as ManifestInput;
      const input = { kind: 'app', name, scopes: [], audiences: [], manifest, approve: true, baseUrl } as const;
      const { client } = await database.forTenant(tenant.id, (tx) => createClient(tx, { runtime, caller }, input));
      return { id: client.id, tenant, key };
    },

    plantCode({ id, tenant }, { userId, sessionId }, change = {}) {
      const code = base64url(runtime.randomBytes(32));
      const code_verifier = base64url(runtime.randomBytes(32));
      planted.set(keyOf(tenant, code), {
        clientName: id,
        redirectUri,
        codeChallenge: base64url(createHash('sha256').update(utf8(code_verifier)).digest()),
        userId,
        sessionId,
        scopes: appScopes,
        resources: [appAudience],
        nonce: 'n-0S6_WzA2Mj',
        authTimeMs: runtime.nowMs() - 4000,
        dpopJkt: undefined,
        expiresAtMs: runtime.nowMs() + 60_000,
        ...change,
      });
      return { grant_type: 'authorization_code', code, redirect_uri: redirectUri, code_verifier };
    },
  };
}
