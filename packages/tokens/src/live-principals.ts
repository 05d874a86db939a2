import { findClient } from '@mono-auth/clients';
import { Refusal } from '@mono-auth/core/errors';
import type { AgentId, ClientId, HostId } from '@mono-auth/core/ids';
import { type Principal, principalKind } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import { type Agent, findAgent, findHost } from '@mono-auth/machines';

/**
 * Reads the status of everybody in a chain, in the transaction that mints. What the feed has taken away is dead already;
 * this refuses who was suspended without it.
 * @returns `actor` when it is an agent, as it is now: its token may be older than its last restriction.
 * @throws Refusal `invalid_request`.
 */
export async function requireLivePrincipals(
  tx: TenantTx,
  chain: readonly Principal[],
  actor: Principal | undefined,
): Promise<Agent | undefined> {
  let acting: Agent | undefined;
  for (const principal of chain) {
    const found = await find(tx, principal);
    if (!found.live) throw new Refusal('invalid_request', `${principalKind(principal)}: is not active`);
    if (principal === actor) acting = found.agent;
  }
  return acting;
}

/** People have no status of their own here: their sessions end, and the feed says so. */
async function find(tx: TenantTx, principal: Principal): Promise<{ live: boolean; agent?: Agent }> {
  const id = principal.slice(principal.indexOf(':') + 1);
  switch (principalKind(principal)) {
    case 'user':
      return { live: true };
    case 'host':
      return { live: (await findHost(tx, id as HostId))?.status === 'active' };
    case 'agent': {
      const agent = await findAgent(tx, id as AgentId);
      return agent ? { live: agent.status === 'active', agent } : { live: false };
    }
    case 'client':
    case 'service':
      return { live: (await findClient(tx, id as ClientId))?.status === 'approved' };
    default:
      return { live: false };
  }
}
