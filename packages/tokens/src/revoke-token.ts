import type { Client } from '@mono-auth/clients';
import { jwtSyntax } from '@mono-auth/core/encoding';
import { Refusal } from '@mono-auth/core/errors';
import type { TokenId } from '@mono-auth/core/ids';
import { authenticateCaller } from './authenticate-caller.ts';
import { callOf } from './authenticate-in-transaction.ts';
import type { TokenDeps } from './deps.ts';
import { required } from './form.ts';
import type { FormRequest } from './grant-session.ts';
import { readActiveToken } from './introspect-token.ts';

/**
 * RFC 7009 §2.1: a client takes back a token of its own, and with it everything made from it; a public client as well, by its
 * name alone (§5). A token that is not good any more is revoked already, so that is no error (§2.2). `token_type_hint` is
 * not needed to find a token, so a wrong or unknown one does no harm.
 * @throws Refusal `unauthorized_client` when the token was issued to another client: nothing is revoked then.
 */
export async function revokeToken(deps: TokenDeps, request: FormRequest): Promise<void> {
  const token = required(request.form, 'token');
  const { tenant, client, principal } = await authenticateCaller(deps, request);
  const call = callOf(deps, request, principal, client);
  if (!jwtSyntax.test(token)) {
    const found = await deps.refreshTokens?.read(tenant.id, token);
    if (!found) return;
    requireOwn(client, found.client_id);
    await deps.refreshTokens?.end(call, found.grantId);
    return;
  }
  const claims = await readActiveToken(deps, tenant, token);
  if (!claims) return;
  requireOwn(client, claims.client_id);
  await deps.revokeToken(call, claims.jti as TokenId);
}

function requireOwn({ id }: Client, clientId: string): void {
  if (clientId !== id) throw new Refusal('unauthorized_client', 'token: it was issued to another client');
}
