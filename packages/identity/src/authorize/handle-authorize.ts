import { asRefusal, Refusal } from '@mono-auth/core/errors';
import type { Tenant } from '@mono-auth/tenants';
import type { IdentityContext, Origin } from '../context.ts';
import { basePath, signInPath } from '../hosted-page.ts';
import { readFormText } from '../read-body.ts';
import { readSession, type Session } from '../read-session.ts';
import { answerUri, seeOther } from './answer-client.ts';
import { type CheckedAuthorization, checkAuthorization, findAnswerTarget } from './check-authorization.ts';
import { readPushedRequest } from './pushed-request.ts';
import { readParams } from './request-params.ts';
import { type ResumeMark, readResume, resumeParam, signResume, withoutResume } from './resume-mark.ts';
import { runAuthorization } from './run-authorization.ts';

/**
 * The authorization endpoint (RFC 6749 §3.1). Our rules come first; Better Auth then looks up the consent and makes the
 * code.
 * @throws Refusal when the answer must not go to the client: the person is told.
 */
export async function handleAuthorize(
  context: IdentityContext,
  tenant: Tenant,
  request: Request,
  origin: Origin,
): Promise<Response> {
  const { pool, formKey } = context.auths.of(tenant);
  const sent = await sentQuery(request);
  const resumed = readResume(formKey, tenant.id, sent, context.runtime.nowMs());
  const { query, pushed } = await readPushedRequest(context, tenant, withoutResume(sent), resumed);
  const params = readParams(query);
  const target = await findAnswerTarget(pool, params);
  const state = params.repeated === 'state' ? undefined : params.single.get('state');
  try {
    if (!pushed && (await context.grants?.requiresPushedRequests(tenant.id))) {
      throw new Refusal('invalid_request', 'this tenant takes pushed authorization requests only');
    }
    const checked = await checkAuthorization(pool, tenant, params, target);
    const session = await readSession(context, tenant, request.headers);
    if (!session || mustSignIn(checked, session, resumed, context.runtime.nowMs())) {
      if (checked.prompt.has('none')) throw new Refusal('login_required', 'the person has to sign in');
      const mark = signResume(formKey, tenant.id, query, { sentAtMs: context.runtime.nowMs(), pushed });
      const resume = new URLSearchParams([...query, [resumeParam, mark]]);
      return seeOther(signInPath(tenant, `${basePath(tenant)}/oauth2/authorize`, resume, session !== undefined));
    }
    const cookie = request.headers.get('cookie') ?? '';
    return await runAuthorization(context, tenant, { checked, session, cookie, origin });
  } catch (error) {
    const refusal = asRefusal(error);
    if (refusal.reason === 'internal') context.log(`tenant ${tenant.slug}: ${String(refusal.cause)}`);
    return seeOther(answerUri(tenant, target.redirectUri, printable(state), refusal));
  }
}

/** OpenID Connect Core §3.1.2.1: GET or form POST, both with all parameters in one place. */
async function sentQuery(request: Request): Promise<URLSearchParams> {
  return request.method === 'POST'
    ? new URLSearchParams(await readFormText(request))
    : new URL(request.url).searchParams;
}

/** Whether this session is too old for what the client asks: `prompt=login`, `select_account`, `max_age`. */
function mustSignIn(
  { prompt, maxAgeSeconds }: CheckedAuthorization,
  { createdAtMs }: Session,
  resumed: ResumeMark | undefined,
  nowMs: number,
): boolean {
  if (resumed && createdAtMs >= resumed.sentAtMs) return false;
  if (prompt.has('login') || prompt.has('select_account')) return true;
  return maxAgeSeconds !== undefined && nowMs - createdAtMs > maxAgeSeconds * 1000;
}

/** A state that broke its own rule is not given back. */
function printable(state: string | undefined): string | undefined {
  return state !== undefined && /^[\x20-\x7e]{1,2048}$/.test(state) ? state : undefined;
}
