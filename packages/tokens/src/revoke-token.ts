import { Refusal } from '@mono-auth/core/errors';
import type { TokenId } from '@mono-auth/core/ids';
import { readTenant } from '@mono-auth/tenants';
import { authenticate, callOf } from './authenticate-in-transaction.ts';
import type { TokenDeps } from './deps.ts';
import { required } from './form.ts';
import type { FormRequest } from './grant-session.ts';
import { readActiveToken } from './introspect-token.ts';

/**
 * RFC 7009 §2.1: a client takes back a token of its own, and with it everything made from it. A token that is not good
 * any more is revoked already, so that is no error (§2.2).
 * @throws Refusal `unauthorized_client` when the token was issued to another client: nothing is revoked then.
 */
export async function revokeToken(deps: TokenDeps, request: FormRequest): Promise<void> {
  const token = required(request.form, 'token');
  const { tenant, client, principal } = await deps.database.forTenant(request.tenant.id, async (tx) => ({
    tenant: await readTenant(tx),
    ...(await authenticate(deps, tx, request)),
  }));
  const claims = await readActiveToken(deps, tenant, token);
  if (!claims) return;
  if (claims.client_id !== client.id) {
    throw new Refusal('unauthorized_client', 'token: it was issued to another client');
  }
  await deps.revokeToken(callOf(deps, request, principal, client), claims.jti as TokenId);
}
