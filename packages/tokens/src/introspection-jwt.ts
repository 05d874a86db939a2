import type { ClientId } from '@mono-auth/core/ids';
import { nowSeconds } from '@mono-auth/core/runtime';
import { signJwt } from '@mono-auth/keys';
import type { Tenant } from '@mono-auth/tenants';
import type { TokenDeps } from './deps.ts';
import type { Introspection } from './introspect-token.ts';

/** RFC 9701 §5: media type of the answer, and what follows `application/` in its `typ`. */
export const introspectionMediaType = 'application/token-introspection+jwt';
/** RFC 9701 §6: what a client gets that has registered no other. */
export const introspectionAlg = 'RS256';

/**
 * The answer as a signed statement for one resource server. It has neither `sub` nor `exp` of its own (RFC 9701 §5), and its
 * `typ` keeps it from passing for an access token.
 */
export async function signIntrospection(
  deps: Pick<TokenDeps, 'runtime' | 'keys'>,
  tenant: Pick<Tenant, 'id' | 'issuer'>,
  clientId: ClientId,
  introspection: Introspection,
): Promise<string> {
  const signer = await deps.keys.signer(tenant.id, 'token', introspectionAlg);
  return signJwt(signer, 'token-introspection+jwt', {
    iss: tenant.issuer,
    aud: clientId,
    iat: nowSeconds(deps.runtime),
    token_introspection: introspection,
  });
}
