import { notFound } from '@mono-auth/core/errors';
import type { Tenant } from '@mono-auth/tenants';
import type { DpopDeps } from '../deps.ts';
import type { FormRequest } from '../grant-session.ts';
import { isServed } from './attestation-switch.ts';
import type { AttestationDeps } from './read-attestation.ts';

/** The challenge endpoint (§6.3), for whoever asks; where the tenant does not have it there is none. @throws Refusal `not_found`. */
export async function answerChallenge(
  deps: AttestationDeps & DpopDeps,
  tenant: Tenant,
): Promise<{ readonly body: { readonly attestation_challenge: string }; readonly headers: Record<string, string> }> {
  if (tenant.status !== 'active' || !(await isServed(deps, tenant.id))) throw notFound('page');
  return {
    body: { attestation_challenge: await deps.attestationChallenges.current(tenant.id) },
    // §6.3: so that an instance which proves its key by DPoP needs no second round.
    headers: { 'dpop-nonce': await deps.dpopNonces.current(tenant.id) },
  };
}

/** The header of §6.2: an instance hears of the next challenge in time. Not inside a transaction. */
export async function nextChallenge(
  deps: AttestationDeps,
  { tenant, attestation }: Pick<FormRequest, 'tenant' | 'attestation'>,
): Promise<Record<string, string>> {
  if (attestation?.pop === undefined) return {};
  return { 'oauth-client-attestation-challenge': await deps.attestationChallenges.current(tenant.id) };
}
