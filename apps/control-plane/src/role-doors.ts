import { findClient, livingResources } from '@mono-auth/clients';
import type { AgentId, ClientId, UserId } from '@mono-auth/core/ids';
import { type Principal, principalKind } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import { findAgent } from '@mono-auth/machines';
import type { RoleDeps } from '@mono-auth/policy';
import { memberRole } from '@mono-auth/tenants';

/** Through which the roles of products reach whoever has them, and the resources that they are for. */
export const roleDoors: Pick<RoleDeps, 'findResource' | 'isPrincipal'> = {
  findResource: livingResources.findRegistered,
  isPrincipal,
};

/** By the name that its tokens have: a service is no client, and whoever is gone for good is nobody. */
async function isPrincipal(tx: TenantTx, principal: Principal): Promise<boolean> {
  const id = principal.slice(principal.indexOf(':') + 1);
  switch (principalKind(principal)) {
    case 'user':
      return (await memberRole(tx, id as UserId)) !== undefined;
    case 'agent': {
      const agent = await findAgent(tx, id as AgentId);
      return agent !== undefined && agent.status !== 'revoked';
    }
    case 'client':
      return isLiving(tx, id as ClientId, ['machine', 'app']);
    case 'service':
      return isLiving(tx, id as ClientId, ['service']);
    default:
      return false;
  }
}

async function isLiving(tx: TenantTx, id: ClientId, kinds: readonly string[]): Promise<boolean> {
  const client = await findClient(tx, id);
  return client !== undefined && client.status !== 'retired' && kinds.includes(client.kind);
}
