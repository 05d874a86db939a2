import { Refusal } from '@mono-auth/core/errors';
import type { Principal, TenantRole } from '@mono-auth/core/principal';
import { decide } from '@mono-auth/policy';
import type { Decision, GrantSession } from './grant-session.ts';

interface IssueQuestion {
  /** Policy knows `token.impersonate` as an operation of `access`: nothing permits it before a tenant says so. */
  readonly action: 'token.issue' | 'token.exchange' | 'token.impersonate';
  readonly subject: Principal;
  /** Outermost first. */
  readonly actors: readonly Principal[];
  readonly audience: string;
  readonly scope: readonly string[];
  readonly tenantRole?: TenantRole | undefined;
}

/**
 * Asks the tenant's policy whether the token may be made.
 * @throws Refusal `denied`; the decision is then part of the evidence.
 */
export async function decideIssue(session: GrantSession, question: IssueQuestion): Promise<Decision> {
  const { deps, tx, call, client, attempt } = session;
  const { action, subject, actors, audience, scope, tenantRole } = question;
  const { allowed, decisionId, policyVersion, reasons } = await decide(deps.policies, tx, call, {
    principal: subject,
    action,
    resource: { type: 'audience', id: audience },
    context: {
      scope: [...scope],
      actors: [...actors],
      audience,
      client_id: client.id,
      ...(tenantRole !== undefined && { tenant_role: tenantRole }),
    },
  });
  attempt.decision = { decisionId, policyVersion, policies: reasons };
  if (!allowed) throw new Refusal('denied', 'the policy of this tenant does not allow this token');
  return attempt.decision;
}
