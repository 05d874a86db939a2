import { append } from '@mono-auth/audit';
import { Refusal } from '@mono-auth/core/errors';
import { answerUri, seeOther } from '../authorize/answer-client.ts';
import { hostOf } from '../authorize/app-client.ts';
import { type CheckedAuthorization, checkAuthorization, findAnswerTarget } from '../authorize/check-authorization.ts';
import { formActionSource, isLoopbackRedirect } from '../authorize/redirect-uri.ts';
import { requestIn } from '../authorize/request-in-query.ts';
import { readParams } from '../authorize/request-params.ts';
import { answerWithCode } from '../authorize/run-authorization.ts';
import { callOfPerson } from '../call.ts';
import type { IdentityContext } from '../context.ts';
import { allowFormTarget, basePath, type Page, readForm, signInPath, tokenFor } from '../hosted-page.ts';
import { consentPage } from '../pages/consent-page.ts';
import { messagePage } from '../pages/message-page.ts';
import { readSession, type Session } from '../read-session.ts';
import { durationInWords, scopeInWords } from './scope-words.ts';

/** The page to which Better Auth sends a request that its person has not allowed yet. */
export async function showConsent(context: IdentityContext, c: Page): Promise<Response> {
  return withRequest(context, c, async (checked, session, query) => {
    const tenant = c.get('tenant');
    const { client, redirectUri, scopes, resources, known } = checked;
    allowFormTarget(c, formActionSource(redirectUri));
    const { host, protocol } = new URL(redirectUri);
    return c.html(
      consentPage({
        tenantName: tenant.displayName,
        clientName: client.name,
        clientHost: hostOf(client),
        redirectHost: host || `${protocol} (an application on this device)`,
        loopback: isLoopbackRedirect(redirectUri),
        email: session.email,
        wishes: scopes.map(scopeInWords),
        resources: resources.map((one) => known.find(({ identifier }) => identifier === one)?.name ?? one),
        duration: durationInWords(scopes),
        action: `${basePath(tenant)}/consent?${query}`,
        formToken: tokenFor(context, c, session, `consent|${query}`),
      }),
    );
  });
}

/** The person's answer. Denial reaches the client in the standard form (RFC 6749 §4.1.2.1). */
export async function decideConsent(context: IdentityContext, c: Page): Promise<Response> {
  return withRequest(context, c, async (checked, session, query) => {
    const tenant = c.get('tenant');
    const form = await readForm(context, c, session, `consent|${query}`);
    const decision = form?.decision;
    if (decision !== 'allow' && decision !== 'deny') {
      return c.html(messagePage('Nothing was allowed', 'This form has expired. Please go back and try again.'), 403);
    }
    const origin = context.originOf(c.req.raw);
    const call = callOfPerson(context.runtime, tenant, origin, { userId: session.userId, sessionId: session.id });
    await context.database.forTenant(tenant.id, (tx) =>
      append(tx, call, {
        type: decision === 'allow' ? 'consent.granted' : 'consent.denied',
        object: { kind: 'client', id: checked.client.id },
        detail: { scope: checked.scopes.join(' '), resource: checked.resources.join(' ') },
      }),
    );
    if (decision === 'deny') {
      const denied = new Refusal('denied', 'the person refused');
      return seeOther(answerUri(tenant, checked.redirectUri, checked.state, denied));
    }
    const cookie = c.req.header('cookie') ?? '';
    const url = await context.auths.of(tenant).allowConsent(query.toString(), cookie);
    return answerWithCode(context, tenant, { checked, session, cookie, origin }, new URL(url, tenant.issuer));
  });
}

/** Looks at the request again, as the gate does: since it was signed, the client may have been suspended. */
async function withRequest(
  context: IdentityContext,
  c: Page,
  answer: (checked: CheckedAuthorization, session: Session, query: URLSearchParams) => Promise<Response>,
): Promise<Response> {
  const tenant = c.get('tenant');
  const { pool, isSignedQuery } = context.auths.of(tenant);
  const query = new URL(c.req.url).searchParams;
  if (!(await isSignedQuery(query))) {
    throw new Refusal('invalid_request', 'this request has expired or is not ours; go back to the application');
  }
  const params = readParams(requestIn(query));
  const target = await findAnswerTarget(pool, params);
  const session = await readSession(context, tenant, c.req.raw.headers);
  if (!session) return seeOther(signInPath(tenant, `${basePath(tenant)}/consent`, query));
  let checked: CheckedAuthorization;
  try {
    checked = await checkAuthorization(pool, tenant, params, target);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return seeOther(answerUri(tenant, target.redirectUri, params.single.get('state'), error));
  }
  return answer(checked, session, query);
}
