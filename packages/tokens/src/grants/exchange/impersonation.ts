import { Refusal } from '@mono-auth/core/errors';
import type { VerifiedClaims } from '../../access-token.ts';
import { underCeiling } from '../../ceilings.ts';
import type { GrantSession } from '../../grant-session.ts';

/** A scope value of the client's approved manifest: what it holds of this, no token needs to carry. */
const impersonateScope = 'tokens:impersonate';

/**
 * RFC 8693 §1.1: the client gets a token in which nobody but the subject can be seen. A permission of its own that only
 * clients hold, never hosts and agents; the tenant's policy is asked for it besides.
 * @throws Refusal `unauthorized_client`, `invalid_request`.
 */
export function requireImpersonator(
  { client, ceilings }: Pick<GrantSession, 'client' | 'ceilings'>,
  subject: VerifiedClaims,
  actorToken: VerifiedClaims | undefined,
): void {
  const isOfMachines = client.kind === 'host' || client.kind === 'agent';
  if (isOfMachines || !underCeiling(ceilings, client.scopes).includes(impersonateScope)) {
    throw new Refusal('unauthorized_client', `impersonate: this client may not, it lacks ${impersonateScope}`);
  }
  if (actorToken) throw new Refusal('invalid_request', 'impersonate: not with an actor_token, who acts is not told');
  // Law 6: a chain, or the promise of one, is never laundered into a token without.
  if (subject.act || subject.may_act) {
    throw new Refusal('invalid_request', 'impersonate: not with a token that has an actor, or names one in may_act');
  }
}
