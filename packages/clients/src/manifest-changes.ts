import { machineTokenTtlSeconds } from '@mono-auth/core/limits';
import type { AuthMethod, Manifest } from './manifest.ts';
import { canonicalJson } from './manifest-hash.ts';

/** What a manifest lists: whatever is added to one of these widens it. */
const lists = ['scopes', 'audiences', 'grantTypes', 'redirectUris', 'postLogoutRedirectUris'] as const;
/** What a manifest names once: another value is something added. */
const names = ['backchannelLogoutUri', 'jwksUri', 'tlsSubjectDn', 'attester', 'clientUri'] as const;

/** How hard a method is to pass for somebody else. Whoever reads a request has the secret, and never the private key. */
const strength: Record<AuthMethod, number> = {
  none: 0,
  client_secret_post: 1,
  client_secret_basic: 1,
  tls_client_auth: 2,
  attest_jwt_client_auth: 2,
  attest_jwt_client_auth_dpop: 2,
  private_key_jwt: 2,
};

/** Whether `to` allows anything that `from` does not. Everything else narrows, and needs nobody's approval. */
export function isWidening(from: Manifest, to: Manifest): boolean {
  return (
    lists.some((list) => hasMore(from[list], to[list])) ||
    hasMore(keysOf(from), keysOf(to)) ||
    names.some((name) => to[name] !== undefined && to[name] !== from[name]) ||
    strength[to.authMethod] < strength[from.authMethod] ||
    livesLonger(from.accessTokenTtlSeconds, to.accessTokenTtlSeconds, machineTokenTtlSeconds) ||
    // Without a limit of its own a refresh token lives as long as the tenant allows.
    livesLonger(from.refreshTokenTtlSeconds, to.refreshTokenTtlSeconds, Number.POSITIVE_INFINITY) ||
    (from.dpopBoundAccessTokens && !to.dpopBoundAccessTokens)
  );
}

/**
 * What of a change applies at once: `from` without all that `to` leaves out, and nothing added. Never wider than `from`.
 * What is replaced is gone at once too, except where the client would stop hearing that a person has signed out.
 */
export function narrowed(from: Manifest, to: Manifest): Manifest {
  if (!isWidening(from, to)) return to;
  const keep = (list: (typeof lists)[number]) => from[list].filter((value) => to[list].includes(value));
  const backchannel = to.backchannelLogoutUri === undefined ? undefined : from.backchannelLogoutUri;
  return {
    scopes: keep('scopes'),
    audiences: keep('audiences'),
    grantTypes: keep('grantTypes'),
    redirectUris: keep('redirectUris'),
    postLogoutRedirectUris: keep('postLogoutRedirectUris'),
    ...(backchannel !== undefined && { backchannelLogoutUri: backchannel }),
    ...credentialLeft(from, to),
    accessTokenTtlSeconds: livesLonger(from.accessTokenTtlSeconds, to.accessTokenTtlSeconds, machineTokenTtlSeconds)
      ? from.accessTokenTtlSeconds
      : to.accessTokenTtlSeconds,
    refreshTokenTtlSeconds: livesLonger(
      from.refreshTokenTtlSeconds,
      to.refreshTokenTtlSeconds,
      Number.POSITIVE_INFINITY,
    )
      ? from.refreshTokenTtlSeconds
      : to.refreshTokenTtlSeconds,
    dpopBoundAccessTokens: from.dpopBoundAccessTokens || to.dpopBoundAccessTokens,
    ...shared(from, to, 'clientUri'),
  };
}

/** A key that is left out counts no more. Another method replaces the whole credential, once it is approved. */
function credentialLeft(from: Manifest, to: Manifest): Pick<Manifest, 'authMethod' | 'jwks'> & Partial<Manifest> {
  const { authMethod } = from;
  if (authMethod !== to.authMethod) {
    return { authMethod, jwks: from.jwks, ...credentialNames(from, from) };
  }
  const wanted = new Set(keysOf(to));
  return {
    authMethod,
    jwks: { keys: from.jwks.keys.filter((key) => wanted.has(canonicalJson(key))) },
    ...credentialNames(from, to),
  };
}

function credentialNames(from: Manifest, to: Manifest): Partial<Manifest> {
  return { ...shared(from, to, 'jwksUri'), ...shared(from, to, 'tlsSubjectDn'), ...shared(from, to, 'attester') };
}

function shared(from: Manifest, to: Manifest, name: Exclude<(typeof names)[number], 'backchannelLogoutUri'>) {
  return (
    from[name] !== undefined && from[name] === to[name] ? { [name]: from[name] } : {}
  ) satisfies Partial<Manifest>;
}

function keysOf({ jwks }: Manifest): string[] {
  return jwks.keys.map((key) => canonicalJson(key));
}

function hasMore(from: readonly string[], to: readonly string[]): boolean {
  return to.some((value) => !from.includes(value));
}

/**
 * Lifetimes in seconds. 0 stands for the ceiling, which nothing is longer than, and for the default of the kind below it: so
 * leaving 0 is shorter only up to the shortest default, `unsetSeconds`.
 */
function livesLonger(from: number, to: number, unsetSeconds: number): boolean {
  if (from === to) return false;
  if (to === 0) return true;
  return from === 0 ? to > unsetSeconds : to > from;
}
