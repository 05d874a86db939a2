import type { Client } from '@mono-auth/clients';
import { Refusal } from '@mono-auth/core/errors';
import { parseScope } from '@mono-auth/core/token-claims';
import { pushedRequests } from '@mono-auth/grants';
import { withGrantSession } from './authenticate-in-transaction.ts';
import { requireGrantType } from './ceilings.ts';
import type { TokenDeps } from './deps.ts';
import type { Form } from './form.ts';
import type { FormRequest, GrantSession } from './grant-session.ts';

/** How the client proves itself is no part of what it asks for (RFC 9126 §2.1). */
const credentials = new Set(['client_assertion', 'client_assertion_type', 'client_secret']);

/** RFC 9126 §2.2. */
export interface PushedResponse {
  readonly request_uri: string;
  readonly expires_in: number;
}

/** RFC 9126 §2: the parameters of an authorization request over the back channel, kept for their client, to be used once. */
export async function pushAuthorization(deps: TokenDeps, request: FormRequest): Promise<PushedResponse> {
  const work = async (session: GrantSession): Promise<PushedResponse> => {
    const { tx, tenant, client, form, attempt } = session;
    // §2.1: MUST be rejected.
    if (form.get('request_uri') !== undefined)
      throw new Refusal('invalid_request', 'request_uri: not in a pushed request');
    requireGrantType(session, 'authorization_code');
    const parameters = parametersOf(session);
    if (deps.checkAuthorization) await deps.checkAuthorization(tenant, client, toSearchParams(parameters));
    else checkParameters(client, form);
    attempt.changed = true;
    const { requestUri, expiresInSeconds } = await pushedRequests.pushRequest(tx, deps.runtime, {
      clientId: client.id,
      parameters,
    });
    return { request_uri: requestUri, expires_in: expiresInSeconds };
  };
  return withGrantSession(deps, request, work, { changesRows: true });
}

type PushedParameters = Record<string, string | readonly string[]>;

function parametersOf({ form, client, dpopJkt, instance }: GrantSession): PushedParameters {
  const asked = form.get('dpop_jkt');
  // RFC 9449 §10.1: the key proven here is the one that the code will be bound to.
  if (dpopJkt !== undefined && asked !== undefined && asked !== dpopJkt) {
    throw new Refusal('invalid_dpop_proof', 'dpop_jkt: is not that of the proof');
  }
  // Attestation-based client authentication §10.4: the code is for the instance that has asked for it.
  const proven = dpopJkt ?? (asked === undefined ? instance?.jkt : undefined);
  const names = form.names().filter((name) => !credentials.has(name));
  const sent = names.map((name) => [name, form.all(name).length > 1 ? form.all(name) : form.get(name)] as const);
  return {
    ...(Object.fromEntries(sent) as PushedParameters),
    client_id: client.externalId ?? client.id,
    ...(proven !== undefined && { dpop_jkt: proven }),
  };
}

function toSearchParams(parameters: PushedParameters): URLSearchParams {
  const pairs = Object.entries(parameters).flatMap(([name, value]) =>
    (typeof value === 'string' ? [value] : value).map((one) => [name, one]),
  );
  return new URLSearchParams(pairs);
}

/** RFC 7636 §4.2: SHA-256 in base64url. */
const challengeSyntax = /^[A-Za-z0-9_-]{43}$/;

/** What every authorization request must be, where no authorization endpoint judges it. */
function checkParameters(client: Client, form: Form): void {
  if (form.get('response_type') !== 'code') throw new Refusal('unsupported_response_type', 'response_type: code');
  if (!client.manifest?.redirectUris.includes(form.get('redirect_uri') ?? '')) {
    throw new Refusal('invalid_request', 'redirect_uri: not one of this client');
  }
  if (form.get('code_challenge_method') !== 'S256' || !challengeSyntax.test(form.get('code_challenge') ?? '')) {
    throw new Refusal('invalid_request', 'code_challenge: is required, with the method S256');
  }
  const scope = parseScope(form.get('scope') ?? '');
  if (!scope?.every((value) => client.scopes.includes(value))) {
    throw new Refusal('invalid_scope', 'scope: has values that this client does not hold');
  }
  if (!form.all('resource').every((one) => client.audiences.includes(one))) {
    throw new Refusal('invalid_target', 'resource: not one of this client');
  }
}
