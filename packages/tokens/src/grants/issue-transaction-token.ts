import { Refusal } from '@mono-auth/core/errors';
import { actorChain } from '@mono-auth/core/token-claims';
import { handlesOf, intersectScope, type TransactionStart } from '@mono-auth/minting';
import { scopeOf } from '../access-token.ts';
import { underCeiling } from '../ceilings.ts';
import { requireConfidential } from '../confidential-client.ts';
import { decideIssue } from '../decide-issue.ts';
import { required } from '../form.ts';
import type { GrantSession } from '../grant-session.ts';
import { readScope } from '../scope.ts';
import type { TokenResponse } from './grant.ts';
import { readOwnSubject } from './own-subject.ts';
import { readSelfSigned } from './self-signed.ts';
import { statementResponse } from './statement-response.ts';
import { accessTokenType, chainedGrantTokenType, selfSignedType, transactionTokenType } from './token-types.ts';
import { readContext } from './transaction-context.ts';
import { readTransaction } from './transaction-subject.ts';

/**
 * A transaction token (draft -08 §7): the context of one call, for the services behind its entry. It begins with an access token
 * that was sent to the client, or with the client's own word; or it replaces one, and then keeps its transaction.
 * The trust domain is the tenant, named by its issuer.
 * @throws Refusal `invalid_request`; `invalid_target`; `invalid_scope`; `denied`.
 */
export async function issueTransactionToken(session: GrantSession): Promise<TokenResponse> {
  const { deps, tx, call, context, client, principal, attempt, tenant, form } = session;
  requireConfidential(client);
  requireTrustDomain(session);
  // §7.1: REQUIRED; RFC 8693 alone would leave it open.
  required(form, 'scope');
  const asked = readScope(form) ?? [];
  const start = await readStart(session);
  attempt.subject = start.subject;
  const scope = intersectScope(asked, start.scope);
  if (scope.length < asked.length)
    throw new Refusal('invalid_scope', 'scope: has values that the subject token does not');
  const decision = await decideIssue(session, {
    action: 'token.exchange',
    ...{ subject: start.subject, actors: actorChain(start.act), audience: tenant.issuer, scope },
  });
  const stated = await deps.minter.state(tx, call, context, {
    ...start,
    kind: 'transaction_token',
    ...{ clientId: client.id, audience: tenant.issuer, requester: principal, scope, decision },
  });
  return statementResponse(stated, transactionTokenType);
}

function requireTrustDomain({ form, tenant }: GrantSession): void {
  const [audience, ...others] = form.all('audience');
  if (audience === undefined) throw new Refusal('invalid_request', 'audience: the trust domain');
  if (audience !== tenant.issuer || others.length > 0 || form.all('resource').length > 0) {
    throw new Refusal('invalid_target', 'audience: the trust domain, which is this issuer, and nothing else');
  }
}

/** By what the subject token says that it is; each kind has its own verifier and passes no other. */
async function readStart(session: GrantSession): Promise<TransactionStart> {
  const { form, deps, client, ceilings } = session;
  const type = required(form, 'subject_token_type');
  if (type === transactionTokenType) return readTransaction(session);
  const contexts = { rctx: readContext(form, 'request_context'), tctx: readContext(form, 'request_details') };
  const begun = { txn: deps.runtime.uuid(), ...contexts };
  if (type === selfSignedType)
    return { ...begun, ...(await readSelfSigned(session)), scope: underCeiling(ceilings, client.scopes) };
  const subject = await readOwnSubject(session, [accessTokenType, chainedGrantTokenType]);
  return {
    ...begun,
    ...{ subject: subject.sub, act: subject.act, scope: scopeOf(subject) },
    ...{ notAfter: subject.exp, handles: handlesOf(subject) },
  };
}
