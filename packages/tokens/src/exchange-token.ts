import { peerJwt } from '@mono-auth/clients';
import { asRefusal, notFound, Refusal } from '@mono-auth/core/errors';
import { isId, type TenantId } from '@mono-auth/core/ids';
import type { Tenant } from '@mono-auth/tenants';
import type { Ingress } from '@mono-auth/transport';
import { attestationHeadersOf, whereServed } from './attestation/attestation-headers.ts';
import type { GrantDeps, TokenDeps } from './deps.ts';
import { type Form, formBytesMax, formOf } from './form.ts';
import type { FormRequest } from './grant-session.ts';
import { dispatchGrant } from './grants/dispatch-grant.ts';
import type { TokenResponse } from './grants/grant.ts';
import { tokenExchange } from './grants/token-exchange.ts';

/** A parameter, or all values of one that may be repeated, by its name in the form. An empty one counts as absent. */
export type ExchangeParameters = readonly (readonly [name: string, value: string | readonly string[]])[];

export interface ExchangeDeps extends GrantDeps, Pick<TokenDeps, 'tenants' | 'prepareClient'> {}

/**
 * Token exchange for who speaks RPC: the same request as at the token endpoint (RFC 8693 §2.1), which answers it.
 * @returns the answer, with the request as it was understood.
 * @throws Refusal as the token endpoint; `not_found` where nothing names a tenant that is there.
 */
export async function exchangeToken(
  deps: ExchangeDeps,
  ingress: Ingress,
  headers: Headers,
  parameters: ExchangeParameters,
): Promise<{ readonly request: FormRequest; readonly answer: TokenResponse }> {
  const form = readParameters(parameters);
  const tenant = await tenantOf(deps, ingress, form.get('subject_token'));
  const authorization = headers.get('authorization') ?? undefined;
  const sent = attestationHeadersOf(headers);
  const attestation = sent && (await whereServed(deps, tenant.id, sent));
  const request = { tenant, form, authorization, attestation, origin: ingress };
  await deps.prepareClient?.(tenant, form, ingress);
  return { request, answer: await dispatchGrant(deps, request) };
}

function readParameters(parameters: ExchangeParameters): Form {
  const pairs: [string, string][] = [['grant_type', tokenExchange.grantType]];
  for (const [name, value] of parameters) {
    for (const one of [value].flat()) if (one !== '') pairs.push([name, one]);
  }
  const bytes = pairs.reduce((sum, [name, value]) => sum + name.length + Buffer.byteLength(value), 0);
  if (bytes > formBytesMax) throw new Refusal('too_large', `the parameters are longer than ${formBytesMax} bytes`);
  return formOf(pairs);
}

/**
 * The tenant of the path or host. Where these name none, as at the gRPC port, it is the one that the subject token says it
 * was issued by: nothing of that is believed, everything that follows is proven in that tenant.
 */
async function tenantOf(
  { tenants }: Pick<ExchangeDeps, 'tenants'>,
  { tenant: entered }: Ingress,
  subjectToken: string | undefined,
): Promise<Tenant> {
  const claimed = entered ? undefined : readClaimedTenant(subjectToken);
  const id = entered?.id ?? claimed?.id;
  const tenant = id && (await tenants.byId(id));
  if (tenant?.status !== 'active' || (claimed && claimed.issuer !== tenant.issuer)) throw notFound('tenant');
  return tenant;
}

function readClaimedTenant(token: string | undefined): { id: TenantId | undefined; issuer: unknown } {
  if (token === undefined) throw new Refusal('invalid_request', 'subject_token: is required');
  try {
    const { iss: issuer, tenant_id: id } = peerJwt.unverifiedClaims(token);
    return { issuer, id: isId('ten', id) ? id : undefined };
  } catch (cause) {
    throw new Refusal('invalid_request', `subject_token: ${asRefusal(cause).detail}`, { cause });
  }
}
