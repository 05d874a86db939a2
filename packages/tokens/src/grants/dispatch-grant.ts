import { Refusal } from '@mono-auth/core/errors';
import { withGrantSession } from '../authenticate-in-transaction.ts';
import type { GrantDeps } from '../deps.ts';
import { required } from '../form.ts';
import type { FormRequest } from '../grant-session.ts';
import { clientCredentials } from './client-credentials.ts';
import type { Grant, TokenResponse } from './grant.ts';
import { tokenExchange } from './token-exchange.ts';

const grants: ReadonlyMap<string, Grant> = new Map(
  [clientCredentials, tokenExchange].map((grant) => [grant.grantType, grant]),
);

export const supportedGrantTypes: readonly string[] = [...grants.keys()];

/** The token endpoint (RFC 6749 §3.2): the grant is known before the client is asked who it is. */
export async function dispatchGrant(deps: GrantDeps, request: FormRequest): Promise<TokenResponse> {
  const grant = grants.get(required(request.form, 'grant_type'));
  if (!grant) throw new Refusal('unsupported_grant_type', `grant_type: one of ${supportedGrantTypes.join(', ')}`);
  return withGrantSession(deps, request, (session) => grant.handle(session));
}
