import { asRefusal, notFound } from '@mono-auth/core/errors';
import { parseSlug } from '@mono-auth/core/tenant-slug';
import type { Tenant } from '@mono-auth/tenants';
import { toOAuthError } from '@mono-auth/transport';
import { attestationHeadersOf, whereServed } from './attestation/attestation-headers.ts';
import type { TokenDeps } from './deps.ts';
import { nextNonce } from './dpop/next-nonce.ts';
import { readForm } from './form.ts';
import type { FormRequest } from './grant-session.ts';
import { dispatchGrant } from './grants/dispatch-grant.ts';
import { noStore } from './no-store.ts';

/** The token endpoint (RFC 6749 §3.2) of a tenant, whatever routes to it. Answers refusals as well. */
export async function answerTokenRequest(deps: TokenDeps, slug: string, raw: Request): Promise<Response> {
  try {
    const request = await readFormRequest(deps, slug, raw);
    await deps.prepareClient?.(request.tenant, request.form, request.origin);
    const answer = await dispatchGrant(deps, request);
    const headers = { 'content-type': 'application/json', ...noStore, ...(await nextNonce(deps, request)) };
    return new Response(JSON.stringify(answer), { headers });
  } catch (error) {
    const refusal = asRefusal(error);
    deps.onRefusal(refusal);
    return toOAuthError(refusal, challengeOf(raw));
  }
}

/** RFC 6749 §5.2: who tried the Authorization header is told which scheme failed. */
export function challengeOf({ headers }: Request): { challenge?: 'Basic' } {
  return headers.has('authorization') ? { challenge: 'Basic' } : {};
}

/** A request at an OAuth endpoint. @throws Refusal `not_found`, `invalid_request`, `too_large`. */
export async function readFormRequest(deps: TokenDeps, slug: string, request: Request): Promise<FormRequest> {
  const tenant = await requireTenant(deps, slug);
  const form = await readForm(request);
  const authorization = request.headers.get('authorization') ?? undefined;
  const sent = attestationHeadersOf(request.headers);
  const attestation = sent && (await whereServed(deps, tenant.id, sent));
  return { tenant, form, authorization, attestation, origin: deps.originOf(request) };
}

/** One that is still being set up, or does not exist, is answered alike. @throws Refusal `not_found`. */
export async function requireTenant({ tenants }: Pick<TokenDeps, 'tenants'>, slug: string): Promise<Tenant> {
  const tenant = await tenants.bySlug(parseSlug(slug, 'tenant'));
  if (!tenant || tenant.status === 'provisioning') throw notFound('tenant');
  return tenant;
}
