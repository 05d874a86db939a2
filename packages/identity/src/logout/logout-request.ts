import { fromBase64url, textOf } from '@mono-auth/core/encoding';
import { Refusal } from '@mono-auth/core/errors';
import { isId, type SessionId } from '@mono-auth/core/ids';
import { verifyJwt } from '@mono-auth/keys';
import type { Tenant } from '@mono-auth/tenants';
import type { AppClient } from '../authorize/app-client.ts';
import { withAnswer } from '../authorize/redirect-uri.ts';
import { readParams } from '../authorize/request-params.ts';
import { selectAppClient } from '../authorize/store.ts';
import type { IdentityContext } from '../context.ts';

/** A request to sign out that a client sent the browser with (OpenID Connect RP-Initiated Logout 1.0 §2). */
export interface LogoutRequest {
  /** The session that an ID token of ours names: the client had it, so it may end it without asking. */
  readonly hinted: SessionId | undefined;
  /** Where to go on, of the client's own registered URIs. */
  readonly destination: string | undefined;
}

/** @throws Refusal `invalid_request`: the person is told, and sent nowhere. */
export async function readLogoutRequest(
  context: IdentityContext,
  tenant: Tenant,
  query: URLSearchParams,
): Promise<LogoutRequest> {
  const { single, repeated } = readParams(query);
  if (repeated !== undefined) throw new Refusal('invalid_request', `${repeated}: is there twice`);
  const hint = await readHint(context, tenant, single.get('id_token_hint'));
  const clientId = single.get('client_id') ?? hint?.clientId;
  if (hint && clientId !== hint.clientId)
    throw new Refusal('invalid_request', 'client_id: not that of the id_token_hint');
  const uri = single.get('post_logout_redirect_uri');
  if (uri === undefined) return { hinted: hint?.sessionId, destination: undefined };
  const client = clientId === undefined ? undefined : await selectAppClient(context.auths.of(tenant).pool, clientId);
  // §3: character by character, or nowhere.
  if (!isRegistered(client, uri))
    throw new Refusal('invalid_request', 'post_logout_redirect_uri: not one of this application');
  return { hinted: hint?.sessionId, destination: withState(uri, single.get('state')) };
}

/** Where the form that confirms a sign-out goes on to: checked once more, from the address that our page gave it. */
export async function logoutDestination(
  context: IdentityContext,
  tenant: Tenant,
  query: URLSearchParams,
): Promise<string | undefined> {
  return (await readLogoutRequest(context, tenant, query)).destination;
}

/**
 * An ID token that we signed for this tenant, also an expired one (§2): it proves that the client was there, not that
 * anything still lives. One that does not verify counts as none.
 */
async function readHint(
  context: IdentityContext,
  tenant: Tenant,
  hint: string | undefined,
): Promise<{ readonly clientId: string; readonly sessionId: SessionId | undefined } | undefined> {
  if (hint === undefined) return undefined;
  try {
    const { iat } = JSON.parse(textOf(fromBase64url(hint.split('.')[1] ?? ''))) as { iat?: unknown };
    if (typeof iat !== 'number' || iat * 1000 > context.runtime.nowMs()) return undefined;
    const claims = await verifyJwt<{ aud: string; sid?: string }>(
      hint,
      await context.keys.publicKeys(tenant.id, 'token'),
      {
        typ: 'JWT',
        issuer: tenant.issuer,
        nowMs: iat * 1000,
      },
    );
    if (typeof claims.aud !== 'string') return undefined;
    return { clientId: claims.aud, sessionId: isId('ses', claims.sid) ? claims.sid : undefined };
  } catch {
    return undefined;
  }
}

function isRegistered(client: AppClient | undefined, uri: string): boolean {
  return client?.postLogoutRedirectUris.includes(uri) ?? false;
}

function withState(uri: string, state: string | undefined): string {
  return state === undefined ? uri : withAnswer(uri, { state });
}
