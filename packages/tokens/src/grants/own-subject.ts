import { Refusal } from '@mono-auth/core/errors';
import { actorChain } from '@mono-auth/core/token-claims';
import type { VerifiedClaims } from '../access-token.ts';
import { required } from '../form.ts';
import type { GrantSession } from '../grant-session.ts';
import { requireLivePrincipals } from '../live-principals.ts';
import { verifyAccessToken } from '../verify-access-token.ts';
import { requireSubject } from './exchange/exchange-rules.ts';

/**
 * A subject token that is an access token of ours, good now, proven where it is bound, and meant for the issuer or for the client
 * that shows it.
 * @throws Refusal `invalid_request` (RFC 8693 §2.2.2).
 */
export async function readOwnSubject(session: GrantSession, types: readonly string[]): Promise<VerifiedClaims> {
  const { deps, tx, tenant, form, client, confirmation } = session;
  const token = required(form, 'subject_token');
  if (!types.includes(required(form, 'subject_token_type'))) {
    throw new Refusal('invalid_request', `subject_token_type: one of ${types.join(', ')}`);
  }
  for (const name of ['actor_token', 'actor_token_type']) {
    if (form.get(name) !== undefined) throw new Refusal('invalid_request', `${name}: is not taken for this`);
  }
  if (client.kind === 'host') throw new Refusal('invalid_request', 'actor_token: a host never acts alone');
  try {
    const claims = await verifyAccessToken(deps, tenant, token, { tx, holder: confirmation ?? {} });
    requireSubject(session, claims);
    await requireLivePrincipals(tx, [claims.sub, ...actorChain(claims.act)], claims.sub);
    return claims;
  } catch (error) {
    if (!(error instanceof Refusal) || error.reason !== 'not_authenticated') throw error;
    throw new Refusal('invalid_request', `subject_token: ${error.detail}`, { cause: error });
  }
}
