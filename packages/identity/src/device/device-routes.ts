import { notFound } from '@mono-auth/core/errors';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import type { DeviceRequest, GrantDoors } from '../authorize/grant-doors.ts';
import { callOfPerson } from '../call.ts';
import { durationInWords, scopeInWords } from '../consent/scope-words.ts';
import type { IdentityContext } from '../context.ts';
import { basePath, type Page, readForm, signInPath, tokenFor } from '../hosted-page.ts';
import { insertSessionClient } from '../logout/store.ts';
import { consentPage } from '../pages/consent-page.ts';
import { devicePage } from '../pages/device-page.ts';
import { messagePage } from '../pages/message-page.ts';
import { readSession, type Session } from '../read-session.ts';
import { normalUserCode, shownUserCode } from './user-code.ts';

/**
 * Codes that one person may try in the window (RFC 8628 §5.1): mistyping stays possible, guessing among the some 2^34
 * codes of eight characters does not.
 */
const codeAttemptsMax = 10;
const codeAttemptsWindowMs = 10 * 60_000;

/** The page that a device sends its person to (RFC 8628 §3.3). */
export async function showDevice(context: IdentityContext, c: Page): Promise<Response> {
  const session = await readSession(context, c.get('tenant'), c.req.raw.headers);
  if (!session) return signInFirst(c);
  const typed = c.req.query('user_code');
  // RFC 8628 §3.3.1: who followed the whole link sees the code and what it stands for, and has only to decide.
  return typed === undefined ? codeForm(context, c, session, 200, '') : lookUp(context, c, session, typed);
}

/** First the code, then, on the page that shows what it stands for, the decision. */
export async function submitDevice(context: IdentityContext, c: Page): Promise<Response> {
  const session = await readSession(context, c.get('tenant'), c.req.raw.headers);
  if (!session) return signInFirst(c);
  const form = await readForm(context, c, session, (sent) => aboutOf(sent));
  if (!form) return codeForm(context, c, session, 403, '', 'This form has expired. Please try again.');
  const code = normalUserCode(form.user_code);
  const grants = context.grants as GrantDoors;
  if (form.decision === 'allow' || form.decision === 'deny') {
    return decide(context, c, grants, { session, code: code ?? '', granted: form.decision === 'allow' });
  }
  return lookUp(context, c, session, form.user_code);
}

/** The page of the device that waits with this code, or, after a wrong one, another try. */
async function lookUp(context: IdentityContext, c: Page, session: Session, typed: unknown): Promise<Response> {
  const code = normalUserCode(typed);
  const grants = context.grants as GrantDoors;
  const tried = await context.ephemeral.count(c.get('tenant').id, 'device_code', session.userId, codeAttemptsWindowMs);
  if (tried > codeAttemptsMax) {
    c.header('retry-after', String(codeAttemptsWindowMs / 1000));
    return codeForm(context, c, session, 429, '', 'Too many codes were tried. Please wait ten minutes.');
  }
  const found =
    code && (await context.database.forTenant(c.get('tenant').id, (tx) => grants.findDeviceRequest(tx, code)));
  if (!code || !found) return codeForm(context, c, session, 404, '', 'No device waits with this code.');
  return confirmForm(context, c, session, code, found);
}

async function decide(
  context: IdentityContext,
  c: Page,
  grants: GrantDoors,
  { session, code, granted }: { session: Session; code: string; granted: boolean },
): Promise<Response> {
  const tenant = c.get('tenant');
  const { userId, id: sessionId } = session;
  const call = callOfPerson(context.runtime, tenant, context.originOf(c.req.raw), { userId, sessionId });
  await context.database.forTenant(tenant.id, async (tx) => {
    const found = await grants.findDeviceRequest(tx, code);
    if (!found) throw notFound('device that waits with this code');
    await grants.decideDevice(tx, call, {
      ...{ userCode: code, userId, sessionId, granted },
      authTimeMs: session.createdAtMs,
    });
    if (granted) await insertSessionClient(tx, session, found.clientId, context.runtime.nowMs());
  });
  return granted
    ? c.html(messagePage('Connected', 'You can go back to your device.'))
    : c.html(messagePage('Refused', 'The device gets nothing. You can close this page.'));
}

function codeForm(
  context: IdentityContext,
  c: Page,
  session: Session,
  status: ContentfulStatusCode,
  userCode: string,
  error?: string,
): Response | Promise<Response> {
  const tenant = c.get('tenant');
  const action = `${basePath(tenant)}/device`;
  const formToken = tokenFor(context, c, session, 'device');
  return c.html(devicePage({ tenantName: tenant.displayName, action, formToken, userCode, error }), status);
}

function confirmForm(
  context: IdentityContext,
  c: Page,
  session: Session,
  code: string,
  { clientName, scopes, resources }: DeviceRequest,
): Response | Promise<Response> {
  const tenant = c.get('tenant');
  return c.html(
    consentPage({
      tenantName: tenant.displayName,
      clientName,
      ...{ clientHost: undefined, redirectHost: undefined, loopback: false },
      email: session.email,
      wishes: scopes.map(scopeInWords),
      resources,
      duration: durationInWords(scopes),
      action: `${basePath(tenant)}/device`,
      formToken: tokenFor(context, c, session, `device|${code}`),
      userCode: shownUserCode(code),
    }),
  );
}

/** A decision is bound to the code whose page was shown; the first form to none. */
function aboutOf(form: Record<string, unknown>): string {
  return 'decision' in form ? `device|${normalUserCode(form.user_code) ?? ''}` : 'device';
}

function signInFirst(c: Page): Response {
  const tenant = c.get('tenant');
  const code = normalUserCode(c.req.query('user_code'));
  const query = new URLSearchParams(code ? { user_code: shownUserCode(code) } : {});
  return c.redirect(signInPath(tenant, `${basePath(tenant)}/device`, query), 303);
}
