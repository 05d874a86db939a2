import { ClientService, Environment } from '@mono-auth/proto/monoauth/clients/v1/clients';
import { TenantService } from '@mono-auth/proto/monoauth/tenants/v1/tenants';
import { rpcClient } from '../tour/person.ts';
import type { Installation } from './installation.ts';

/** What the default resource of every such tenant knows. */
const orderScopes = ['orders:read', 'orders:write'] as const;

/** A tenant with an administrator, who invites partners to register. */
export interface RegistrationScene {
  readonly issuer: string;
  readonly endpoint: string;
  /** Of the administrator. */
  readonly token: string;
  /** An initial access token, of a day unless seconds are given. */
  invite(options?: { environment?: Environment; ttlSeconds?: number }): Promise<{ id: string; token: string }>;
  setPolicy(change: { dynamicRegistration: boolean }): Promise<void>;
  approve(clientId: string): Promise<void>;
}

export interface RegistrationAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
}

export async function openRegistrationScene(installation: Installation, slug: string): Promise<RegistrationScene> {
  const { issuer } = await installation.provision(slug);
  const token = await (await installation.signIn(slug)).token();
  const clients = rpcClient(issuer, ClientService, token);
  const tenants = rpcClient(issuer, TenantService, token);
  const [name, identifier] = [`orders of ${slug}`, `https://orders.${slug}.example`];
  const environment = Environment.PRODUCTION;
  await clients.createResource({ identifier, name, environment, scopes: [...orderScopes], isDefault: true });
  return {
    issuer,
    token,
    endpoint: `${issuer}/oauth2/register`,
    async invite({ environment = Environment.PRODUCTION, ttlSeconds = 0 } = {}) {
      const made = await clients.createRegistrationToken({ label: 'a partner', environment, ttlSeconds });
      return { id: made.registrationToken?.id ?? '', token: made.token };
    },
    async setPolicy(change) {
      const { policy, version } = await tenants.getSecurityPolicy({});
      if (!policy) throw new Error('a tenant has a policy');
      await tenants.updateSecurityPolicy({ policy: { ...policy, ...change }, version });
    },
    async approve(id) {
      const { client } = await clients.getClient({ id });
      await clients.approveClient({ id, manifestHash: client?.proposedHash ?? '' });
    },
  };
}

/** A request to the registration endpoint or to a registration, as any HTTP client sends it. */
export async function sendRegistration(
  url: string,
  { token, body, method = 'POST', type = 'application/json' }: SentRegistration,
): Promise<RegistrationAnswer> {
  const headers = new Headers({ 'content-type': type });
  if (token !== undefined) headers.set('authorization', `Bearer ${token}`);
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const answer = await fetch(url, { method, headers, redirect: 'manual', ...(body !== undefined && { body: text }) });
  const read = await answer.text();
  return { status: answer.status, headers: answer.headers, body: read === '' ? {} : JSON.parse(read) };
}

export interface SentRegistration {
  readonly token?: string | undefined;
  readonly body?: unknown;
  readonly method?: string;
  readonly type?: string;
}
