import { Refusal } from '@mono-auth/core/errors';
import type { TenantId } from '@mono-auth/core/ids';
import type { Runtime } from '@mono-auth/core/runtime';
import { issuerOf, rpcAudienceOf } from '@mono-auth/core/tenant-slug';
import { createVerifier, refusalOf, type TokenSource } from '@mono-auth/sdk';
import type { RoutedTenant } from './admit-request.ts';
import { type Forward, inProcessFetch } from './in-process-fetch.ts';
import { managementRoute, type RouteClasses, routeClasses } from './management-route.ts';
import { TenantWatch, type TenantWatchDeps } from './tenant-watch.ts';
import { WatchedTenants, type WatchLimits } from './watched-tenants.ts';

export interface RevocationWatchDeps {
  readonly runtime: Runtime;
  readonly baseUrl: string;
  /** Under which this process subscribes: its own, and the same after a restart. */
  readonly name: string;
  readonly forward: Forward;
  /** Tokens of the gateway's own client: audience of the tenant's management API, scope `feed:follow`. */
  tokens(tenant: RoutedTenant): TokenSource;
  /** Told of what keeps a tenant from being watched; it is tried again. */
  onError(refusal: Refusal, tenant: RoutedTenant): void;
  readonly routes?: RouteClasses;
  readonly limits?: Partial<WatchLimits>;
}

export interface RevocationWatch {
  /**
   * Compares the bearer token of a request to the management API with what the tenant's feed has taken away.
   * @throws Refusal `not_authenticated` for a genuine token that was revoked; `feed_stale` when that cannot be known and
   * the route is strict.
   */
  check(pathname: string, authorization: string | null, tenant: RoutedTenant): Promise<void>;
  /** How many tenants are watched. */
  readonly size: number;
  close(): Promise<void>;
}

const limitsDefault: WatchLimits = { tenantsMax: 64, idleMs: 5 * 60_000, heldMs: 30_000 };
/** Signatures remembered for each tenant, some 3 KB each: about 40 MB when every watch is full. */
const verifiedTokensMax = 200;
/** Tokens that are proven at a time before anything is watched: whoever forges them keeps nothing else waiting. */
const provingMax = 8;
/** RFC 6750 §2.1. */
const bearer = /^bearer +(\S+)$/i;

/**
 * Watches the revocations of the tenants whose management API is used. A watch begins in the background, with the first
 * token that proves to be ours: no request waits for it, and a forged token starts none.
 */
export function openRevocationWatch(deps: RevocationWatchDeps): RevocationWatch {
  const { runtime, routes = routeClasses } = deps;
  const watched = new WatchedTenants(runtime, { ...limitsDefault, ...deps.limits });
  const proving = new Set<TenantId>();

  function prove(tenant: RoutedTenant, token: string): void {
    if (proving.has(tenant.id) || proving.size >= provingMax || !watched.hasRoom()) return;
    proving.add(tenant.id);
    const { subscription, verifier } = follow(deps, tenant);
    void verifier
      .verify(token)
      .then(() => watched.add(tenant.id, () => new TenantWatch({ runtime, subscription, verifier })))
      .catch((error: unknown) => deps.onError(refusalOf(error), tenant))
      .finally(() => proving.delete(tenant.id));
  }

  return {
    get size() {
      return watched.size;
    },
    async check(pathname, authorization, tenant) {
      const route = managementRoute(pathname);
      const token = bearer.exec(authorization ?? '')?.[1];
      if (route === undefined || token === undefined) return;
      const watch = watched.find(tenant.id);
      if (!watch) prove(tenant, token);
      const verdict = watch ? await watch.judge(token) : 'unknown';
      if (verdict === 'good') watched.touch(tenant.id);
      if (verdict === 'revoked') throw new Refusal('not_authenticated', 'token refused: it has been revoked');
      if (verdict === 'unknown' && routes[route] === 'strict') {
        throw new Refusal('feed_stale', 'revocations cannot be known now');
      }
    },
    close: () => watched.close(),
  };
}

/** What it takes to follow one tenant, by requests of our own to the control plane. */
function follow(deps: RevocationWatchDeps, tenant: RoutedTenant): Pick<TenantWatchDeps, 'subscription' | 'verifier'> {
  const { runtime, baseUrl, name } = deps;
  const issuer = issuerOf(baseUrl, tenant.slug);
  const audience = rpcAudienceOf(baseUrl, tenant.slug);
  const fetch = inProcessFetch(deps, tenant);
  const onError = (refusal: Refusal) => deps.onError(refusal, tenant);
  return {
    subscription: { issuer, tokens: deps.tokens(tenant), name, fetch, runtime, onError },
    verifier: createVerifier({ issuer, audience, fetch, runtime, verifiedTokensMax }),
  };
}
