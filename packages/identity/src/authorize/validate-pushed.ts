import { Refusal } from '@mono-auth/core/errors';
import type { ClientId } from '@mono-auth/core/ids';
import type { Tenant } from '@mono-auth/tenants';
import type { IdentityContext } from '../context.ts';
import { checkAuthorization, findAnswerTarget } from './check-authorization.ts';
import { readParams } from './request-params.ts';

/**
 * Checks pushed parameters as the authorization endpoint would (RFC 9126 §2.1), for the client that has authenticated.
 * @throws Refusal of the first rule that is broken.
 */
export async function validatePushed(
  context: IdentityContext,
  tenant: Tenant,
  clientId: ClientId,
  query: URLSearchParams,
): Promise<void> {
  const { pool } = context.auths.of(tenant);
  const params = readParams(query);
  if (params.single.has('request_uri')) throw new Refusal('invalid_request', 'request_uri: not in a pushed request');
  const target = await findAnswerTarget(pool, params);
  if (target.client.id !== clientId) throw new Refusal('invalid_request', 'client_id: not that of the client');
  await checkAuthorization(pool, tenant, params, target);
}
