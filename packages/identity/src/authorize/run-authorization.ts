import { append } from '@mono-auth/audit';
import { Refusal } from '@mono-auth/core/errors';
import type { Tenant } from '@mono-auth/tenants';
import { callOfPerson } from '../call.ts';
import type { IdentityContext, Origin } from '../context.ts';
import { insertSessionClient } from '../logout/store.ts';
import type { Session } from '../read-session.ts';
import { answerUri, seeOther } from './answer-client.ts';
import type { CheckedAuthorization } from './check-authorization.ts';

export interface PersonRequest {
  readonly checked: CheckedAuthorization;
  readonly session: Session;
  readonly cookie: string;
  readonly origin: Origin;
}

/** Hands the request to the tenant's Better Auth and answers with what comes of it: a code, or the consent page. */
export async function runAuthorization(
  context: IdentityContext,
  tenant: Tenant,
  { checked, session, cookie, origin }: PersonRequest,
): Promise<Response> {
  const url = await context.auths.of(tenant).authorize(betterAuthQuery(checked), cookie);
  const next = new URL(url, tenant.issuer);
  const consent = `${new URL(tenant.issuer).pathname}/consent`;
  if (next.origin === new URL(tenant.issuer).origin && next.pathname === consent) {
    return seeOther(`${consent}${next.search}`);
  }
  return answerWithCode(context, tenant, { checked, session, cookie, origin }, next);
}

/**
 * Takes the code out of Better Auth's redirect and builds our own: its issuer is the mount point, and whatever else it
 * may add is not for the client. The code is told only after its evidence is written (law 3).
 */
export async function answerWithCode(
  context: IdentityContext,
  tenant: Tenant,
  { checked, session, origin }: PersonRequest,
  answered: URL,
): Promise<Response> {
  const code = answered.searchParams.get('code');
  if (code === null) {
    const error = answered.searchParams.get('error') ?? 'nothing';
    if (error === 'consent_required') throw new Refusal('consent_required', 'the person has to consent');
    throw new Refusal('internal', 'the request could not be answered', { cause: new Error(`authorize said ${error}`) });
  }
  const { client, redirectUri, scopes, resources } = checked;
  const call = callOfPerson(context.runtime, tenant, origin, { userId: session.userId, sessionId: session.id });
  await context.database.forTenant(tenant.id, async (tx) => {
    await insertSessionClient(tx, session, client.id, context.runtime.nowMs());
    await append(tx, call, {
      type: 'authorization.granted',
      object: { kind: 'client', id: client.id },
      detail: { scope: scopes.join(' '), resource: resources.join(' ') },
    });
  });
  return seeOther(answerUri(tenant, redirectUri, checked.state, { code }));
}

/** The request as Better Auth gets it: made anew from what was checked, without what the gate has dealt with. */
function betterAuthQuery(checked: CheckedAuthorization): URLSearchParams {
  const { client, redirectUri, scopes, resources, codeChallenge, state, nonce, dpopJkt, prompt } = checked;
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: client.clientId,
    redirect_uri: redirectUri,
    scope: scopes.join(' '),
    code_challenge: codeChallenge,
    code_challenge_method: 'S256',
  });
  if (state !== undefined) query.set('state', state);
  if (nonce !== undefined) query.set('nonce', nonce);
  if (dpopJkt !== undefined) query.set('dpop_jkt', dpopJkt);
  for (const resource of resources) query.append('resource', resource);
  const asked = (['none', 'consent'] as const).filter((value) => prompt.has(value));
  if (asked.length > 0) query.set('prompt', asked.join(' '));
  return query;
}
