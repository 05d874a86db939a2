import { type CreateClientInput, createClient } from '@mono-auth/clients';
import { newId } from '@mono-auth/core/ids';
import { openPeople } from '@mono-auth/identity';
import { systemCaller, type Tenant } from '@mono-auth/tenants';
import type { ClientCertificate } from '@mono-auth/transport';
import { Hono } from 'hono';
import { assertClient, makeClientKey, type TestClient } from './client-key.ts';
import type { TokenDeps } from './deps.ts';
import { discoveryRoutes } from './discovery-routes.ts';
import { tokenRoutes } from './routes.ts';
import type { TenantBench } from './tenant-bench.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
}

/** A list as value repeats the parameter. */
export type FormFields = Record<string, string | readonly string[]>;

/** The endpoints of the tenants of a bench, over HTTP. */
export interface EndpointBench {
  readonly app: Hono;
  readonly deps: TokenDeps;
  createClient(
    tenant: Tenant,
    input: Pick<CreateClientInput, 'kind' | 'name'> & Partial<CreateClientInput>,
  ): Promise<TestClient>;
  post(tenant: Tenant, path: string, form: FormFields, headers?: Record<string, string>): Promise<Answer>;
  /** Posts as an authenticated client. */
  ask(client: TestClient, path: string, form: FormFields): Promise<Answer>;
}

/** An issuer that serves what this package does, to everybody. */
export const openIssuer = {
  served: ['token', 'introspection', 'revocation', 'userinfo'],
  clientCertificates: false,
  readIssuerPolicy: async () => ({
    registration: false,
    metadataDocuments: true,
    pushedRequestsRequired: false,
    idJag: false,
    clientAttestation: false,
  }),
  readUser: async () => undefined,
} satisfies Partial<TokenDeps>;

/** What a test has otherwise. */
type BenchChange = Partial<TokenDeps> & { certificateOf?(request: Request): ClientCertificate | undefined };

export function openEndpointBench(bench: TenantBench, change: BenchChange = {}): EndpointBench {
  const { runtime, database, baseUrl, home, other } = bench;
  const deps: TokenDeps = {
    ...bench,
    ...openIssuer,
    people: openPeople(database),
    userCodeKey: () => new Uint8Array(32).fill(9),
    ...change,
    originOf: (request) => ({
      requestId: newId(runtime, 'req'),
      ip: '192.0.2.7',
      possession: {
        method: request.method,
        path: new URL(request.url).pathname,
        dpop: request.headers.get('dpop') ?? undefined,
        certificate: change.certificateOf?.(request),
      },
    }),
    revokeToken: ({ caller }, id) => bench.revoke(caller.tenantId === home.id ? home : other, { kind: 'token', id }),
    onRefusal: () => {},
  };
  const app = new Hono().route('/t/:slug', tokenRoutes(deps)).route('/', discoveryRoutes(deps));

  const post: EndpointBench['post'] = async (tenant, path, form, headers = {}) => {
    const body = new URLSearchParams();
    for (const [name, value] of Object.entries(form)) {
      for (const one of typeof value === 'string' ? [value] : value) body.append(name, one);
    }
    const response = await app.request(`${tenant.issuer}${path}`, { method: 'POST', body, headers });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: text === '' ? {} : JSON.parse(text) };
  };

  return {
    app,
    deps,
    post,
    async createClient(tenant, input) {
      const key = await makeClientKey(runtime);
      const caller = { ...systemCaller(tenant, newId(runtime, 'req')), scope: new Set(['clients:approve']) };
      const full = { scopes: [], audiences: [], jwks: { keys: [key.publicJwk] }, approve: true, baseUrl, ...input };
      const { client } = await database.forTenant(tenant.id, (tx) => createClient(tx, { runtime, caller }, full));
      return { id: client.id, tenant, key };
    },
    ask: async (client, path, form) => post(client.tenant, path, { ...(await assertClient(client)), ...form }),
  };
}
