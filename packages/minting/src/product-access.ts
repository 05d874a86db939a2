import type { AccessTokenClaims } from '@mono-auth/core/token-claims';
import type { TenantTx } from '@mono-auth/database';
import { accessRules, readTokenAccess, type TokenAccess } from '@mono-auth/policy';
import type { MintRequest } from './mint-request.ts';

/** A request with what its subject may do in the product that the audience belongs to, where it belongs to one. */
export interface AccessRequest extends MintRequest {
  readonly productAccess?: TokenAccess;
}

/** The token hangs on the roles that it tells of as it does on grants: it ends with the first of them. */
export async function withProductAccess(tx: TenantTx, request: MintRequest, nowMs: number): Promise<AccessRequest> {
  const productAccess = await readTokenAccess(tx, request, nowMs);
  if (!productAccess) return request;
  const { handles, endsAtMs } = productAccess;
  const { grants = [], notAfter = Number.POSITIVE_INFINITY } = request;
  return {
    ...{ ...request, productAccess, grants: [...grants, ...handles] },
    ...(endsAtMs !== undefined && { notAfter: Math.min(notAfter, endsAtMs / 1000) }),
  };
}

/**
 * The claims of roles: what the subject and everybody who acts hold now, and within the same product no more than any parent
 * does (law 6). A parent for another audience says nothing of it.
 * @throws Refusal `denied` when they would be too long.
 */
export function productClaims(
  productAccess: TokenAccess | undefined,
  parents: readonly AccessTokenClaims[],
): Pick<AccessTokenClaims, 'roles' | 'permissions' | 'resource_permissions'> {
  if (!productAccess) return {};
  const { product, access } = productAccess;
  const bounded = parents.reduce((all, parent) => {
    const held = accessRules.accessInClaims(parent, product);
    return held ? accessRules.intersectAccess(all, held) : all;
  }, access);
  return accessRules.claimsOfAccess(product, bounded);
}
