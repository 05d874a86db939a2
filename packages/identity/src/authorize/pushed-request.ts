import { Refusal } from '@mono-auth/core/errors';
import type { Tenant } from '@mono-auth/tenants';
import type { IdentityContext } from '../context.ts';
import { readParams } from './request-params.ts';
import type { ResumeMark } from './resume-mark.ts';
import { selectAppClient } from './store.ts';

/**
 * The request that a `request_uri` stands for (RFC 9126 §4), or the request itself. Beside the reference nothing of the
 * front channel counts but the client id, which must be that of who pushed.
 * @throws Refusal `invalid_request`, `request_uri_not_supported`, `invalid_request_uri`.
 */
export async function readPushedRequest(
  context: IdentityContext,
  tenant: Tenant,
  sent: URLSearchParams,
  resumed: ResumeMark | undefined,
): Promise<{ readonly query: URLSearchParams; readonly pushed: boolean }> {
  const { single } = readParams(sent);
  const requestUri = single.get('request_uri');
  if (requestUri === undefined) return { query: sent, pushed: resumed?.pushed ?? false };
  if (!context.grants) throw new Refusal('request_uri_not_supported', 'request_uri: not taken here');
  const clientId = single.get('client_id');
  const client = clientId === undefined ? undefined : await selectAppClient(context.auths.of(tenant).pool, clientId);
  if (!client) throw new Refusal('invalid_request', 'client_id: there is no such application here');
  const pushed = await context.grants.takePushedRequest(tenant.id, client.id, requestUri);
  if (!pushed) throw new Refusal('invalid_request_uri', 'request_uri: unknown, used or expired');
  const query = new URLSearchParams(pushed);
  query.set('client_id', client.clientId);
  return { query, pushed: true };
}
