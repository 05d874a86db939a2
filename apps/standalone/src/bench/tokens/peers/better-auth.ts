import { oauthProvider } from '@better-auth/oauth-provider';
import { base64url } from '@mono-auth/core/encoding';
import { systemRuntime as runtime } from '@mono-auth/core/runtime';
import { type BetterAuthOptions, type BetterAuthPlugin, betterAuth } from 'better-auth';
import { getMigrations } from 'better-auth/db/migration';
import { jwt } from 'better-auth/plugins';
import pg from 'pg';
import { type PeerAnswer, readTask, tokenTtlSeconds } from './peer-task.ts';

/** Better Auth's own OAuth provider on PostgreSQL, as its documentation sets it up, signing with ES256. */

const { target, scope, databaseUrl } = readTask();
/** Connections of its pool; pg's own default. */
const poolSize = 10;
const basePath = '/api/auth';

const server = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  fetch: () => new Response('not yet', { status: 503 }),
});
const origin = `http://127.0.0.1:${server.port}`;
const provider = oauthProvider({
  ...{ loginPage: '/sign-in', consentPage: '/consent', scopes: [scope], grantTypes: ['client_credentials'] },
  ...{ m2mAccessTokenExpiresIn: tokenTtlSeconds, resources: [target], rateLimit: { token: false } },
  ...{ clientPrivileges: () => true, resourcePrivileges: () => true, silenceWarnings: { oauthAuthServerConfig: true } },
});
const options = {
  ...{ baseURL: origin, basePath, secret: base64url(runtime.randomBytes(32)) },
  database: new pg.Pool({ connectionString: databaseUrl, max: poolSize }),
  logger: { level: 'error' },
  telemetry: { enabled: false },
  // Its default of 20 requests a minute would be what is measured.
  rateLimit: { enabled: false },
  emailAndPassword: { enabled: true },
  // Its types are not written for exactOptionalPropertyTypes.
  plugins: [jwt({ jwks: { keyPairConfig: { alg: 'ES256' } } }), provider as unknown as BetterAuthPlugin],
} satisfies BetterAuthOptions;
await (await getMigrations(options)).runMigrations();
const auth = betterAuth(options);
const api = auth.api as unknown as typeof auth.api & typeof provider.endpoints;

// It takes a person's session to make a client that may have tokens of its own.
const password = base64url(runtime.randomBytes(24));
const signUp = { name: 'Bench', email: 'bench@mono.localhost', password };
const { headers: answered } = await api.signUpEmail({ body: signUp, returnHeaders: true });
const cookie = answered.getSetCookie().map((line) => line.split(';', 1)[0]);
const headers = new Headers({ cookie: cookie.join('; ') });
const client = await api.adminCreateOAuthClient({
  headers,
  body: {
    ...{ client_name: 'bench', grant_types: ['client_credentials'] },
    ...{ client_credentials_scopes: [scope], token_endpoint_auth_method: 'client_secret_basic' },
  },
});
await api.adminLinkClientResource({ headers, params: { identifier: target, client_id: client.client_id } });
server.reload({ fetch: auth.handler });
const answer: PeerAnswer = {
  ...{ origin, issuer: `${origin}${basePath}`, tokenPath: `${basePath}/oauth2/token`, jwksPath: `${basePath}/jwks` },
  client: { id: client.client_id, secret: String(client.client_secret) },
};
process.stdout.write(`${JSON.stringify(answer)}\n`);
