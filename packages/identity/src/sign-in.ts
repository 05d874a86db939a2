import { append } from '@mono-auth/audit';
import { Refusal } from '@mono-auth/core/errors';
import type { SessionId, UserId } from '@mono-auth/core/ids';
import type { Tenant } from '@mono-auth/tenants';
import * as z from 'zod';
import { addressHeader } from './auth-headers.ts';
import { callOfPerson } from './call.ts';
import type { IdentityContext, Origin } from './context.ts';
import {
  accountAttemptsMax,
  attemptsWindowSeconds,
  recordedDenialsMax,
  recordedDenialsWindowMs,
} from './session-policy.ts';
import { deleteSession, selectSession, selectSessionId } from './store.ts';

/** RFC 5321 §4.5.3.1: a path is 256 octets with its brackets. The password's bound only ends the reading. */
export const credentials = z.object({ email: z.string().min(1).max(254), password: z.string().min(1).max(1024) });
export type Credentials = z.infer<typeof credentials>;

export interface SignedIn {
  readonly sessionId: SessionId;
  readonly userId: UserId;
  /** Better Auth's answer, which sets the cookie. */
  readonly response: Response;
}

/**
 * Signs a person in through the tenant's Better Auth, whatever face they came by. The session counts only when its
 * evidence is written (law 3).
 * @throws Refusal `not_authenticated` with one text for every way to fail; `rate_limited`; `audit_unavailable`.
 */
export async function signIn(
  context: IdentityContext,
  tenant: Tenant,
  { email, password }: Credentials,
  request: { readonly origin: Origin; readonly userAgent: string | null },
): Promise<SignedIn> {
  await spendAttempt(context, tenant, email);
  const { handler, pool } = context.auths.of(tenant);
  const response = await handler(signInRequest(tenant, { email, password }, request));
  if (response.status !== 200) throw await refusalOf(context, tenant, response, request.origin);
  const { token } = (await response.clone().json()) as { token: string };
  const sessionId = await selectSessionId(pool, token);
  const session = sessionId && (await selectSession(pool, sessionId));
  if (!session) throw wrongCredentials();
  if (session.banned) {
    await deleteSession(pool, sessionId);
    await recordDenied(context, tenant, request.origin);
    throw wrongCredentials();
  }
  const call = callOfPerson(context.runtime, tenant, request.origin, { userId: session.userId, sessionId });
  try {
    await context.database.forTenant(tenant.id, (tx) =>
      append(tx, call, {
        type: 'session.created',
        object: { kind: 'session', id: sessionId },
        detail: { method: 'password', epoch: session.epoch },
      }),
    );
  } catch (error) {
    await deleteSession(pool, sessionId);
    throw error;
  }
  await context.ephemeral.uncount(tenant.id, accountCounter, email.toLowerCase());
  return { sessionId, userId: session.userId, response };
}

/** Made anew from what was checked: no header, cookie, host name or surplus field of the client's reaches Better Auth. */
function signInRequest(
  tenant: Tenant,
  { email, password }: Credentials,
  { origin, userAgent }: { readonly origin: Origin; readonly userAgent: string | null },
): Request {
  const headers = new Headers({ 'content-type': 'application/json', origin: new URL(tenant.issuer).origin });
  if (origin.ip) headers.set(addressHeader, origin.ip);
  if (userAgent) headers.set('user-agent', userAgent.slice(0, userAgentCharsMax));
  const body = JSON.stringify({ email, password });
  return new Request(`${tenant.issuer}/auth/sign-in/email`, { method: 'POST', headers, body });
}

/** Kept with the session for its owner to recognise; browsers send some 120. */
const userAgentCharsMax = 256;

/** Name of the counter of attempts at one account. */
const accountCounter = 'sign_in_account';

/** Counted before the password is looked at, so that parallel guesses cannot slip in between; a success forgets them. */
async function spendAttempt(context: IdentityContext, tenant: Tenant, email: string): Promise<void> {
  const windowMs = attemptsWindowSeconds * 1000;
  const tried = await context.ephemeral.count(tenant.id, accountCounter, email.toLowerCase(), windowMs);
  if (tried > accountAttemptsMax) throw tooManyAttempts(attemptsWindowSeconds);
}

async function refusalOf(
  context: IdentityContext,
  tenant: Tenant,
  response: Response,
  origin: Origin,
): Promise<Refusal> {
  if (response.status === 429) {
    return tooManyAttempts(Number(response.headers.get('x-retry-after')) || attemptsWindowSeconds);
  }
  if (response.status >= 500) return new Refusal('unavailable', 'signing in is not possible now');
  await recordDenied(context, tenant, origin);
  return wrongCredentials();
}

/** Without the address that was tried: the log keeps what it is given, and people mistype their password there. */
async function recordDenied(context: IdentityContext, tenant: Tenant, origin: Origin): Promise<void> {
  const recorded = await context.ephemeral.count(tenant.id, 'sign_in_denied', '', recordedDenialsWindowMs);
  if (recorded > recordedDenialsMax) return;
  await context.database.forTenant(tenant.id, (tx) =>
    append(tx, callOfPerson(context.runtime, tenant, origin), {
      type: 'session.created',
      outcome: 'denied',
      reason: 'not_authenticated',
      object: { kind: 'tenant', id: tenant.id },
      detail: { method: 'password' },
    }),
  );
}

function wrongCredentials(): Refusal {
  return new Refusal('not_authenticated', 'e-mail or password is wrong');
}

function tooManyAttempts(seconds: number): Refusal {
  return new Refusal('rate_limited', 'too many attempts to sign in', { retryAfterMs: seconds * 1000 });
}
