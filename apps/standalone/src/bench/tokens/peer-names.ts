/** The rows of others that ours are compared with. */
export const peerNames = {
  oidcOwn: 'oidc-provider: client_credentials, in memory',
  oidcExchange: 'oidc-provider: token exchange, in memory',
  betterAuthOwn: 'Better Auth: client_credentials, PostgreSQL',
} as const;
