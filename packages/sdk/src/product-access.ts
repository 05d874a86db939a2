import type { AccessTokenClaims } from '@mono-auth/core/token-claims';

/** What the holder of a token may do in one product. */
export interface ProductAccess {
  /** Roles that count everywhere in the product. Empty where the token tells of none. */
  readonly roles: readonly string[];
  /** What may be done everywhere in the product. */
  readonly permissions: readonly string[];
  /** Whether it may be done: everywhere, or on the thing that the product calls `resource`. Compared as it is written. */
  isPermitted(permission: string, resource?: string): boolean;
}

/**
 * Reads what a verified token says of a product. A token that says nothing of it, being for another one or older than the
 * product, holds nothing there. Roles and permissions are the subject's and bounded by everybody who acts; `scope` is what the
 * client was allowed of it, and counts besides.
 */
export function productAccess(
  claims: Pick<AccessTokenClaims, 'roles' | 'permissions' | 'resource_permissions'>,
  product: string,
): ProductAccess {
  const permissions = own(claims.permissions, product) ?? [];
  const onResources = own(claims.resource_permissions, product);
  return {
    roles: own(claims.roles, product) ?? [],
    permissions,
    isPermitted(permission, resource) {
      if (permissions.includes(permission)) return true;
      return resource !== undefined && (own(onResources, resource)?.includes(permission) ?? false);
    },
  };
}

/** A member of the claims themselves: a product may be called `constructor`, and what every object has is nobody's role. */
function own<T>(members: Readonly<Record<string, T>> | undefined, name: string): T | undefined {
  return members && Object.hasOwn(members, name) ? members[name] : undefined;
}
