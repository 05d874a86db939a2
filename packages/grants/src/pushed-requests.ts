import { base64url, utf8 } from '@mono-auth/core/encoding';
import { Refusal } from '@mono-auth/core/errors';
import type { ClientId } from '@mono-auth/core/ids';
import type { Runtime } from '@mono-auth/core/runtime';
import type { TenantTx } from '@mono-auth/database';
import { sha256 } from './credential.ts';
import { insertPushedRequest, type PushedParameters, selectPushedRequest } from './store/pushed-requests.ts';

/** RFC 9126 §2.2: the form that it recommends, with 32 random bytes behind it. */
const requestUriPrefix = 'urn:ietf:params:oauth:request_uri:';
/** Seconds (RFC 9126 §2.2 gives 5 to 600): the browser follows at once. */
const requestTtlSeconds = 60;
/** Longest set of parameters, bytes as JSON: what an authorization request holds with room for long states. */
const parametersBytesMax = 16 * 1024;

/** RFC 9126 §2: keeps the parameters of an authorization request, checked by the caller, for their client. */
export async function pushRequest(
  tx: TenantTx,
  runtime: Runtime,
  { clientId, parameters }: { readonly clientId: ClientId; readonly parameters: PushedParameters },
): Promise<{ requestUri: string; expiresInSeconds: number }> {
  if (utf8(JSON.stringify(parameters)).length > parametersBytesMax) {
    throw new Refusal('too_large', `the parameters are longer than ${parametersBytesMax} bytes`);
  }
  const requestUri = requestUriPrefix + base64url(runtime.randomBytes(32));
  const nowMs = runtime.nowMs();
  const expiresAtMs = nowMs + requestTtlSeconds * 1000;
  await insertPushedRequest(tx, sha256(requestUri), { clientId, parameters, expiresAtMs }, nowMs);
  return { requestUri, expiresInSeconds: requestTtlSeconds };
}

/**
 * Takes pushed parameters for the client that pushed them, once (RFC 9126 §4). Another client's request, an expired one and
 * one that never was are answered alike: undefined, and nothing is used up.
 */
export async function takePushedRequest(
  tx: TenantTx,
  runtime: Runtime,
  { requestUri, clientId }: { readonly requestUri: string; readonly clientId: ClientId },
): Promise<PushedParameters | undefined> {
  const digest = sha256(requestUri);
  const stored = requestUri.startsWith(requestUriPrefix) ? await selectPushedRequest(tx, digest) : undefined;
  if (!stored || stored.clientId !== clientId || stored.expiresAtMs <= runtime.nowMs()) return undefined;
  const used = new Refusal('invalid_request', 'request_uri: was used');
  try {
    await tx.consumeOnce({ kind: 'pushed_request', digest, expiresAtMs: stored.expiresAtMs, refusal: used });
  } catch (error) {
    if (error === used) return undefined;
    throw error;
  }
  return stored.parameters;
}
