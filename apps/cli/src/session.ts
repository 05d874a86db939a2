import { Refusal } from '@mono-auth/core/errors';
import { issuerOf, parseSlug } from '@mono-auth/core/tenant-slug';
import { refusalOfOAuth } from '@mono-auth/sdk';
import type { CliContext } from './context.ts';
import { readStateFile, removeStateFile, writeStateFile } from './state-file.ts';

const fileName = 'session.json';
/** Longest wait for an answer of the sign-in, milliseconds: it hashes a password, on purpose slowly. */
const timeoutMs = 15_000;

/** A person's session, as kept between two commands. The cookie is the credential. */
export interface Session {
  readonly v: 1;
  readonly issuer: string;
  readonly email: string;
  readonly cookie: string;
}

export interface PersonToken {
  readonly accessToken: string;
  readonly expiresInSeconds: number;
  readonly scope: string;
}

/** @throws Refusal `not_authenticated` when nobody is signed in. */
export async function requireSession(context: CliContext): Promise<Session> {
  const session = await readStateFile<Session>(context.stateDir, fileName);
  if (!session) throw new Refusal('not_authenticated', 'not signed in: run monoauth login, or set MONO_TOKEN');
  return session;
}

export interface SignIn {
  readonly server: string;
  readonly tenant: string;
  readonly email: string;
  readonly password: string;
}

/** Signs in through the tenant's own Better Auth and keeps the session. @returns where it is kept. */
export async function signIn(context: CliContext, { server, tenant, email, password }: SignIn): Promise<string> {
  const issuer = issuerOf(baseUrlOf(server), parseSlug(tenant, 'tenant'));
  const response = await post(context, `${issuer}/auth/sign-in/email`, { email, password }, undefined);
  // Name and value alone: the attributes are a browser's business.
  const cookie = response.headers
    .getSetCookie()
    .map((line) => line.split(';', 1)[0])
    .join('; ');
  if (cookie === '') throw new Refusal('unavailable', 'sign-in: the server began no session');
  return writeStateFile(context.stateDir, fileName, { v: 1, issuer, email, cookie } satisfies Session);
}

/** Ends the session at the server, and here in any case. */
export async function signOut(context: CliContext): Promise<void> {
  const session = await requireSession(context);
  try {
    await post(context, `${session.issuer}/auth/sign-out`, {}, session.cookie);
  } finally {
    await removeStateFile(context.stateDir, fileName);
  }
}

/** A token for the person who is signed in. Without an audience it is for the management API. */
export async function requestPersonToken(
  context: CliContext,
  session: Session,
  wanted: { readonly audience?: string | undefined; readonly scope?: string | undefined },
): Promise<PersonToken> {
  const response = await post(context, `${session.issuer}/auth/token`, wanted, session.cookie);
  const { access_token, expires_in, scope } = (await response.json()) as Record<string, unknown>;
  if (typeof access_token !== 'string') throw new Refusal('unavailable', 'token: the answer has none');
  return { accessToken: access_token, expiresInSeconds: Number(expires_in), scope: String(scope ?? '') };
}

/** @throws Refusal `invalid_request` for a URL to which no password should be sent. */
export function baseUrlOf(server: string): string {
  const url = URL.canParse(server) ? new URL(server) : undefined;
  const local = ['127.0.0.1', '[::1]', 'localhost'].includes(url?.hostname ?? '');
  if (!url || (url.protocol !== 'https:' && !(url.protocol === 'http:' && local))) {
    throw new Refusal('invalid_request', 'server: an https URL (http only on this machine)');
  }
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '');
}

async function post(context: CliContext, url: string, body: object, cookie: string | undefined): Promise<Response> {
  const headers = {
    'content-type': 'application/json',
    // The server takes writes from its own origin alone.
    origin: new URL(url).origin,
    ...(cookie !== undefined && { cookie }),
  };
  const init: RequestInit = { method: 'POST', headers, body: JSON.stringify(body), redirect: 'error' };
  const response = await context
    .fetch(url, { ...init, signal: AbortSignal.timeout(timeoutMs) })
    .catch((cause: unknown) => {
      throw new Refusal('unavailable', `no answer from ${new URL(url).host}`, { cause });
    });
  if (!response.ok) throw refusalOfOAuth(response.status, await response.json().catch(() => undefined));
  return response;
}
