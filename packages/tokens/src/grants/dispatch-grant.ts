import { Refusal } from '@mono-auth/core/errors';
import { withGrantSession } from '../authenticate-in-transaction.ts';
import { requireGrantType } from '../ceilings.ts';
import type { GrantDeps } from '../deps.ts';
import { required } from '../form.ts';
import type { FormRequest, GrantSession } from '../grant-session.ts';
import { authorizationCode } from './authorization-code.ts';
import { clientCredentials } from './client-credentials.ts';
import { deviceCode } from './device-code.ts';
import type { Grant, TokenResponse } from './grant.ts';
import { jwtBearer } from './jwt-bearer.ts';
import { refreshToken } from './refresh-token.ts';
import { tokenExchange } from './token-exchange.ts';

const grants: ReadonlyMap<string, Grant> = new Map(
  [authorizationCode, refreshToken, clientCredentials, deviceCode, tokenExchange, jwtBearer].map((grant) => [
    grant.grantType,
    grant,
  ]),
);

/** What a tenant serves: with its drafts where its policy has `id_jag`. */
export function supportedGrantTypes({ idJag }: { readonly idJag: boolean }): string[] {
  return [...grants.values()].filter(({ isDraft }) => idJag || !isDraft).map(({ grantType }) => grantType);
}

/** The token endpoint (RFC 6749 §3.2): the grant is known before the client is asked who it is. */
export async function dispatchGrant(deps: GrantDeps, request: FormRequest): Promise<TokenResponse> {
  const grant = grants.get(required(request.form, 'grant_type'));
  if (!grant) throw unsupported();
  const found = await grant.lookUp?.(deps, request);
  const work = async (session: GrantSession): Promise<TokenResponse> => {
    if (grant.isDraft && !session.ceilings.idJag) throw unsupported();
    requireGrantType(session, grant.neededGrant?.(session.client) ?? grant.grantType);
    return grant.handle(session, found);
  };
  return withGrantSession(deps, request, work, {
    changesRows: grant.changesRows === true,
    identify: grant.identify?.bind(grant),
  });
}

/** One wording, whatever the tenant serves besides. */
function unsupported(): Refusal {
  return new Refusal(
    'unsupported_grant_type',
    `grant_type: one of ${supportedGrantTypes({ idJag: false }).join(', ')}`,
  );
}
