import { oauthProvider } from '@better-auth/oauth-provider';
import type { BetterAuthPlugin } from 'better-auth';

/** Scopes of the issuer itself (OpenID Connect Core §3.1.2.1, §5.4, §11); all others belong to resources and stand in manifests. */
const issuerScopes = ['openid', 'profile', 'email', 'offline_access'] as const;

/**
 * How long a person may think about a request that Better Auth has signed for its consent page, seconds. The code that
 * comes of it lives far shorter (`code-row.ts`).
 */
const pendingRequestTtlSeconds = 600;

/**
 * An endpoint that we call in process, of which only what we send and that something comes back is known: the provider's
 * own types do not fit Better Auth's under `exactOptionalPropertyTypes`.
 */
type InProcess<Sent> = NonNullable<BetterAuthPlugin['endpoints']>[string] &
  ((input: Sent & { request: Request; headers: Headers; asResponse: false }) => Promise<unknown>);

/**
 * The oauth-provider, reduced to what it is here for: the authorization request after our gate, and the memory of
 * consents. Its token, introspection, registration, client, consent and resource endpoints, its metadata and its logout
 * are left out, so they do not exist (infra/decisions/0006); so are the tables that only they use.
 */
export function authorizationPlugin(issuerPath: string) {
  const { id, version, options, hooks, endpoints, schema } = oauthProvider({
    loginPage: `${issuerPath}/sign-in`,
    consentPage: `${issuerPath}/consent`,
    scopes: [...issuerScopes],
    grantTypes: ['authorization_code'],
    storeTokens: 'hashed',
    codeExpiresIn: pendingRequestTtlSeconds,
    // Tokens are minted by us; without the plugin there is no second keyring and no second JWKS.
    disableJwtPlugin: true,
    enforcePerClientResources: true,
    allowDynamicClientRegistration: false,
    rateLimit: { authorize: false, token: false, introspect: false, revoke: false, register: false, userinfo: false },
  });
  const {
    clientId,
    name,
    disabled,
    skipConsent,
    scopes,
    redirectUris,
    grantTypes,
    tokenEndpointAuthMethod,
    requirePKCE,
  } = schema.oauthClient.fields;
  const { oauthConsent } = schema;
  return {
    id,
    version,
    options,
    hooks: { before: hooks.before },
    endpoints: {
      oauth2Authorize: endpoints.oauth2Authorize as unknown as InProcess<{ query: Record<string, string | string[]> }>,
      oauth2Consent: endpoints.oauth2Consent as unknown as InProcess<{ body: { accept: true; oauth_query: string } }>,
    },
    schema: {
      // Views of migration 0260: what references and indexes there are stand on the tables behind them.
      oauthClient: {
        modelName: 'oauthClient',
        disableMigration: true,
        fields: {
          ...{ name, disabled, skipConsent, scopes, redirectUris, grantTypes, tokenEndpointAuthMethod, requirePKCE },
          clientId: { ...clientId, unique: false },
        },
      },
      oauthResource: {
        modelName: 'oauthResource',
        disableMigration: true,
        fields: {
          identifier: { type: 'string', required: true },
          name: { type: 'string', required: true },
          disabled: schema.oauthResource.fields.disabled,
        },
      },
      oauthClientResource: {
        modelName: 'oauthClientResource',
        disableMigration: true,
        fields: { clientId: { type: 'string', required: true }, resourceId: { type: 'string', required: true } },
      },
      oauthConsent: {
        ...oauthConsent,
        fields: { ...oauthConsent.fields, clientId: { type: 'string', required: true, index: true } },
      },
    },
  } satisfies BetterAuthPlugin;
}
