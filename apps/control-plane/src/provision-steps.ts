import { auditProvisionStep } from '@mono-auth/audit';
import { newId } from '@mono-auth/core/ids';
import { policyProvisionStep } from '@mono-auth/policy';
import { addMember, type ProvisionStep } from '@mono-auth/tenants';
import { authenticateBearer } from '@mono-auth/tokens';
import type { Parts } from './compose.ts';

/** What makes a tenant ready, in the order in which one needs the other. */
export function provisionSteps(parts: Parts): ProvisionStep[] {
  return [
    { name: 'keys', prepare: (tx) => parts.keys.provision(tx) },
    auditProvisionStep(parts),
    { name: 'feed', prepare: (tx, { incarnation }) => parts.feed.provision(tx, incarnation) },
    policyProvisionStep(parts),
    ownerStep(parts),
    signInStep(parts),
  ];
}

/** The first owner: a person of Better Auth's and a member of ours. */
function ownerStep({ identity, database, runtime }: Parts): ProvisionStep {
  return {
    name: 'owner',
    async finish(tenant, { ownerEmail: email, ownerPassword: password }) {
      const known = await identity.findUser(tenant, email);
      const made = known ?? identity.createUser(tenant, { email, password, name: email });
      const userId = await Promise.resolve(made).catch(async (error: unknown) => {
        // A repetition of the same call may have been first.
        const first = await identity.findUser(tenant, email);
        if (first) return first;
        throw error;
      });
      await database.forTenant(tenant.id, (tx) => addMember(tx, userId, 'owner', runtime.nowMs()));
    },
    matches: async (tenant, { ownerEmail }) => (await identity.findUser(tenant, ownerEmail)) !== undefined,
  };
}

/** Signs in as the owner, takes a token and verifies it the way every later call will be. */
function signInStep(parts: Parts): ProvisionStep {
  const authenticate = authenticateBearer(parts.tokens);
  return {
    name: 'self-check',
    async check(tenant, { ownerEmail: email, ownerPassword: password }) {
      const requestId = newId(parts.runtime, 'req');
      const ingress = { requestId, ip: '', tenant: { id: tenant.id, slug: tenant.slug } };
      const verify = (token: string) => authenticate(`Bearer ${token}`, ingress);
      await parts.identity.signInCheck(tenant, { email, password }, verify);
    },
  };
}
