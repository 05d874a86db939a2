import { Refusal } from '@mono-auth/core/errors';
import { isId, type SessionId, type TokenId } from '@mono-auth/core/ids';
import type { Caller } from '@mono-auth/core/principal';
import { issuerOf, rpcAudienceOf } from '@mono-auth/core/tenant-slug';
import type { Tenant } from '@mono-auth/tenants';
import type { Ingress } from '@mono-auth/transport';
import { decodeJwt } from 'jose';
import { scopeOf, soleAudience } from './access-token.ts';
import type { BearerDeps } from './deps.ts';
import { readPresentedToken, verifyPresentedToken } from './verify-presented-token.ts';

/**
 * Proves who calls the management API: an access token whose audience is the RPC face of its tenant, as Bearer or, when it
 * is bound to a key, with a DPoP proof of this very request.
 */
export function authenticateBearer(
  deps: BearerDeps,
): (authorization: string | null, ingress: Ingress) => Promise<Caller> {
  return async (authorization, ingress) => {
    const presented = readPresentedToken(authorization);
    const named = readClaimedTenant(presented.token);
    const tenant = await tenantOf(deps, named, ingress);
    const claims = await verifyPresentedToken(deps, tenant, presented, ingress.possession);
    if (soleAudience(claims) !== rpcAudienceOf(deps.baseUrl, tenant.slug)) {
      throw new Refusal('not_authenticated', 'token refused: it is meant for another audience');
    }
    return {
      principal: claims.sub,
      tenantId: tenant.id,
      tenantSlug: tenant.slug,
      tenantRole: claims.tenant_role,
      scope: new Set(scopeOf(claims)),
      tokenId: claims.jti as TokenId,
      sessionId: claims.sid as SessionId | undefined,
      clientId: isId('cli', claims.client_id) ? claims.client_id : undefined,
      act: claims.act,
      requestId: ingress.requestId,
      ip: ingress.ip,
    };
  };
}

interface ClaimedTenant {
  readonly iss: unknown;
  readonly tenantId: unknown;
}

/** What the token says of its tenant, before anything of it is proven. */
function readClaimedTenant(token: string): ClaimedTenant {
  try {
    const { iss, tenant_id: tenantId } = decodeJwt(token);
    return { iss, tenantId };
  } catch (cause) {
    throw new Refusal('not_authenticated', 'token refused: it cannot be read', { cause });
  }
}

/**
 * Ingress and credential must agree before any other work (law 5): a token of another tenant is answered as if nothing
 * were there. Where the ingress names no tenant, the token alone does.
 */
async function tenantOf(deps: BearerDeps, claimed: ClaimedTenant, { tenant: entered }: Ingress): Promise<Tenant> {
  if (entered) {
    const agrees = claimed.tenantId === entered.id && claimed.iss === issuerOf(deps.baseUrl, entered.slug);
    if (!agrees) throw new Refusal('not_found', 'not found');
  }
  const tenant = isId('ten', claimed.tenantId) ? await deps.tenants.byId(claimed.tenantId) : undefined;
  if (tenant?.status !== 'active' || claimed.iss !== tenant.issuer) {
    throw new Refusal('not_authenticated', 'token refused: its issuer is not known');
  }
  return tenant;
}
