import { type Client, findClient } from '@mono-auth/clients';
import { Refusal } from '@mono-auth/core/errors';
import { parseScope } from '@mono-auth/core/token-claims';
import type { LinkedPrincipal } from '@mono-auth/federation';
import { findAgent, findHost } from '@mono-auth/machines';
import { intersectScope } from '@mono-auth/minting';
import type { GrantSession, Unproven } from '../grant-session.ts';
import { type LinkedAssertion, requirePurpose } from './assertion-rules.ts';
import { issueToClient } from './client-credentials.ts';
import type { TokenResponse } from './grant.ts';

type Workload = Exclude<LinkedPrincipal, { readonly kind: 'user' }>;

/**
 * The client that a workload's assertion stands for, where the request names none (SEP-1933: no client is registered with the
 * workload): the client that it is linked to, or that of the host on which its agent runs. A person's assertion stands for none.
 * @throws Refusal `invalid_grant`.
 */
export async function findWorkloadClient({ tx }: Unproven, linked: LinkedAssertion): Promise<Client | undefined> {
  const { principal } = linked.link;
  if (principal.kind === 'user') return undefined;
  requirePurpose(linked);
  const client = await clientOf(tx, principal);
  if (client?.status !== 'approved' || !client.manifest) throw nobody();
  return client;
}

/**
 * The identity that a platform gave a workload becomes a token as client_credentials gives it, bounded by assertion and issuer.
 * @throws Refusal `invalid_grant`; `invalid_target`; `invalid_scope`; `unauthorized_client`; `denied`.
 */
export async function redeemForWorkload(
  session: GrantSession,
  { assertion: { issuer, claims }, link }: LinkedAssertion,
  principal: Workload,
): Promise<TokenResponse> {
  // Also where the client has authenticated: somebody else's workload is not its own.
  if ((await clientOf(session.tx, principal))?.id !== session.client.id) throw nobody();
  const said = claims.scope === undefined ? issuer.scopes : parseScope(claims.scope);
  if (!said) throw new Refusal('invalid_grant', 'assertion: scope is malformed');
  const { resource: resources = issuer.audiences } = claims;
  return issueToClient(session, principal.kind === 'agent' ? principal.id : undefined, {
    scope: intersectScope(said, issuer.scopes),
    audiences: resources.filter((one) => issuer.audiences.includes(one)),
    notAfter: claims.exp,
    grants: [issuer.id, link.id],
  });
}

async function clientOf(tx: GrantSession['tx'], principal: Workload): Promise<Client | undefined> {
  if (principal.kind === 'client') return findClient(tx, principal.id);
  const agent = await findAgent(tx, principal.id);
  const host = agent && (await findHost(tx, agent.hostId));
  return host && findClient(tx, host.clientId);
}

function nobody(): Refusal {
  return new Refusal('invalid_grant', 'assertion: its subject is nobody here');
}
