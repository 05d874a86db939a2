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
import { refreshToken } from './refresh-token.ts';
import { tokenExchange } from './token-exchange.ts';

const grants: ReadonlyMap<string, Grant> = new Map(
  [authorizationCode, refreshToken, clientCredentials, deviceCode, tokenExchange].map((grant) => [
    grant.grantType,
    grant,
  ]),
);

export const supportedGrantTypes: readonly string[] = [...grants.keys()];

/** The token endpoint (RFC 6749 §3.2): the grant is known before the client is asked who it is. */
export async function dispatchGrant(deps: GrantDeps, request: FormRequest): Promise<TokenResponse> {
  const grant = grants.get(required(request.form, 'grant_type'));
  if (!grant) throw new Refusal('unsupported_grant_type', `grant_type: one of ${supportedGrantTypes.join(', ')}`);
  const found = await grant.lookUp?.(deps, request);
  const work = async (session: GrantSession): Promise<TokenResponse> => {
    requireGrantType(session, grant.grantType);
    return grant.handle(session, found);
  };
  return withGrantSession(deps, request, work, { changesRows: grant.changesRows === true });
}
