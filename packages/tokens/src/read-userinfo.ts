import { Refusal } from '@mono-auth/core/errors';
import type { UserId } from '@mono-auth/core/ids';
import { principalKind } from '@mono-auth/core/principal';
import type { Tenant } from '@mono-auth/tenants';
import type { Possession } from '@mono-auth/transport';
import { scopeOf } from './access-token.ts';
import type { UserinfoDeps } from './deps.ts';
import { userClaims } from './user-claims.ts';
import { readPresentedToken, verifyPresentedToken } from './verify-presented-token.ts';

/** Opens the endpoint; `profile` and `email` say what it tells. */
export const userinfoScope = 'openid';

/**
 * OIDC Core §5.3: what a token may know of the person that it speaks of. The audience does not matter, because `openid` is a
 * scope of the issuer: it is granted for this endpoint, beside whatever the token is for.
 * @throws Refusal `not_authenticated`, `insufficient_scope`, or what a DPoP proof lacks.
 */
export async function readUserinfo(
  deps: UserinfoDeps,
  tenant: Tenant,
  authorization: string | undefined,
  possession: Possession | undefined,
): Promise<Record<string, unknown>> {
  const claims = await verifyPresentedToken(deps, tenant, readPresentedToken(authorization), possession);
  const scope = scopeOf(claims);
  if (!scope.includes(userinfoScope)) {
    throw new Refusal('insufficient_scope', `userinfo needs the scope ${userinfoScope}`);
  }
  if (principalKind(claims.sub) !== 'user')
    throw new Refusal('not_authenticated', 'token refused: it speaks of no person');
  const person = await deps.readUser(tenant.id, claims.sub.slice('user:'.length) as UserId);
  if (!person) throw new Refusal('not_authenticated', 'token refused: its subject is not here');
  return userClaims(claims.sub, person, scope);
}
