import { Refusal } from '@mono-auth/core/errors';
import { scopeOf, type VerifiedClaims } from '../access-token.ts';
import { requireConfidential } from '../confidential-client.ts';
import { decideIssue } from '../decide-issue.ts';
import type { GrantSession } from '../grant-session.ts';
import { readForeignTarget } from './foreign-target.ts';
import type { TokenResponse } from './grant.ts';
import { readOwnSubject } from './own-subject.ts';
import { statementResponse } from './statement-response.ts';
import { accessTokenType, chainedGrantTokenType } from './token-types.ts';

/**
 * Identity chaining §2.3, the side of domain A: an access token becomes a grant for the authorization server of domain B, with
 * nothing that the token did not hold, for no longer, and never with a refresh token (§5.2).
 * @throws Refusal `invalid_request`; `invalid_target`; `invalid_scope`; `denied`.
 */
export async function issueChainedGrant(session: GrantSession): Promise<TokenResponse> {
  const { deps, tx, call, context, client, attempt, dpopJkt } = session;
  requireConfidential(client);
  const subject = await readOwnSubject(session, [accessTokenType, chainedGrantTokenType]);
  attempt.subject = subject.sub;
  requireUndelegated(subject);
  const { trust, resources, scope } = await readForeignTarget(session, true, scopeOf(subject));
  const decision = await decideIssue(session, {
    action: 'token.exchange',
    ...{ subject: subject.sub, actors: [], audience: trust.issuer, scope, tenantRole: subject.tenant_role },
  });
  const stated = await deps.minter.state(tx, call, context, {
    kind: 'chained_grant',
    ...{ clientId: client.id, clientThere: trust.remoteClientId, subject: subject.sub, audience: trust.issuer },
    ...{ resources, scope, notAfter: subject.exp, decision, jkt: dpopJkt },
  });
  return statementResponse(stated, chainedGrantTokenType);
}

/** The other domain knows none of our actors: a chain would be lost there, or be somebody else's (law 6). */
function requireUndelegated({ act, may_act }: VerifiedClaims): void {
  if (act || may_act) throw new Refusal('invalid_request', 'subject_token: others act for its subject');
}
