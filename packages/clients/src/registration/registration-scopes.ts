import { Refusal } from '@mono-auth/core/errors';
import { isPermission } from '@mono-auth/core/permissions';
import type { TenantTx } from '@mono-auth/database';
import type { ClientKind } from '../client.ts';
import type { Environment } from '../manifest.ts';
import { selectDefaultResource } from '../store/resources.ts';

/** Scopes of the issuer: who somebody is, and access while they are away (OpenID Connect Core 1.0 §5.4 and §11). */
export const issuerScopes: readonly string[] = ['openid', 'profile', 'email', 'offline_access'];

interface Wanted {
  readonly kind: ClientKind;
  readonly environment: Environment;
  readonly scopes: readonly string[] | undefined;
  /** What operators have allowed the client beyond this; empty for a new one. */
  readonly kept: { readonly scopes: readonly string[]; readonly audiences: readonly string[] };
}

/**
 * What a client may ask for by itself: the issuer's scopes for an app, and those of the default resource of its environment,
 * which is its one audience. Anything else is added by operators, never the management API by a registration.
 * @throws Refusal `invalid_client_metadata` naming the scope.
 */
export async function registrableScopes(
  tx: TenantTx,
  { kind, environment, scopes, kept }: Wanted,
): Promise<{ scopes: string[]; audiences: string[] }> {
  const resource = await selectDefaultResource(tx, environment);
  const isAllowed = (scope: string): boolean => {
    if (kept.scopes.includes(scope) || (kind === 'app' && issuerScopes.includes(scope))) return true;
    if (!resource) return false;
    return resource.scopes.length === 0 ? !isPermission(scope) : resource.scopes.includes(scope);
  };
  const asked = scopes ?? (kind === 'app' ? ['openid'] : []);
  const excess = asked.find((scope) => !isAllowed(scope));
  if (excess !== undefined) {
    throw new Refusal('invalid_client_metadata', `scope: ${excess} cannot be registered; an operator may add it`);
  }
  const audiences = kept.audiences.length > 0 || !resource ? kept.audiences : [resource.identifier];
  return { scopes: [...asked], audiences: [...audiences] };
}
