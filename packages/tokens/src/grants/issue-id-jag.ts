import { requireConfidential } from '../confidential-client.ts';
import { decideIssue } from '../decide-issue.ts';
import type { GrantSession } from '../grant-session.ts';
import { readForeignTarget } from './foreign-target.ts';
import type { TokenResponse } from './grant.ts';
import { statementResponse } from './statement-response.ts';
import { idJagTokenType } from './token-types.ts';
import { readVouchedPerson } from './vouched-person.ts';

/**
 * ID-JAG §4.3: this issuer as identity provider says to another authorization server who the person is that a client, known to
 * both, acts for. `sub` is what that server would see in an ID token of ours; no address of the person is in it.
 * @throws Refusal `invalid_request`; `invalid_target`; `invalid_scope`; `denied`.
 */
export async function issueIdJag(session: GrantSession): Promise<TokenResponse> {
  const { deps, tx, call, context, client, attempt, dpopJkt } = session;
  requireConfidential(client);
  const { trust, resources, scope } = await readForeignTarget(session, false, undefined);
  const { userId, role, authTimeSeconds, notAfter } = await readVouchedPerson(session);
  const subject = `user:${userId}` as const;
  attempt.subject = subject;
  const decision = await decideIssue(session, {
    action: 'token.exchange',
    ...{ subject, actors: [], audience: trust.issuer, scope, tenantRole: role },
  });
  const stated = await deps.minter.state(tx, call, context, {
    kind: 'id_jag',
    ...{ clientId: client.id, clientThere: trust.remoteClientId, subject, audience: trust.issuer },
    ...{ resources, scope, authTimeSeconds, notAfter, decision, jkt: dpopJkt },
  });
  return statementResponse(stated, idJagTokenType);
}
