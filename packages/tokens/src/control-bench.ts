import { createPostgresEphemeral } from '@mono-auth/cache';
import { type AgentId, type HostId, newId } from '@mono-auth/core/ids';
import type { Principal } from '@mono-auth/core/principal';
import { openIdentity } from '@mono-auth/identity';
import { createChallenges, findAgent, hostParticipant, machineService } from '@mono-auth/machines';
import { policyService } from '@mono-auth/policy';
import { MachineService } from '@mono-auth/proto/monoauth/machines/v1/machines';
import { PolicyService } from '@mono-auth/proto/monoauth/policy/v1/policy';
import { addMember, type Tenant } from '@mono-auth/tenants';
import { makeClientKey, type TestClient } from './client-key.ts';
import { openRpcBench } from './rpc-bench.ts';
import type { TenantBench } from './tenant-bench.ts';

export interface TestHost extends TestClient {
  readonly hostId: HostId;
}

/** What operators and hosts do over RPC, as in real life: hosts enrol by invite, challenge and proof. */
export interface ControlBench {
  enrolHost(tenant: Tenant, name: string, access: Access): Promise<TestHost>;
  /** With an owner of its own. */
  createAgent(host: TestHost, name: string, scopes: readonly string[]): Promise<AgentId>;
  ownerOf(tenant: Tenant, agent: AgentId): Promise<Principal>;
  revokeHost(host: TestHost): Promise<void>;
  /** Of an agent, a host or a client; `basedOn` is 0 for the first. */
  setMintBudget(tenant: Tenant, holder: object, budget: object, basedOn?: number): Promise<void>;
  /** On top of version 1, which every tenant starts with. */
  publishPolicy(tenant: Tenant, policyText: string, basedOn: number): Promise<void>;
}

interface Access {
  readonly scopes: readonly string[];
  readonly audiences?: readonly string[];
}

/** Nobody registers one here. */
const noProducts = { findResource: async () => undefined, isPrincipal: async () => false };

export function openControlBench(bench: TenantBench): ControlBench {
  const { database, runtime } = bench;
  const ephemeral = createPostgresEphemeral({ database, runtime });
  const challenges = createChallenges({ ephemeral, runtime, secret: new Uint8Array(32).fill(2) });
  const call = openRpcBench(runtime, (router) =>
    router
      .service(MachineService, machineService({ ...bench, challenges }))
      .service(PolicyService, policyService({ ...bench, ...noProducts })),
  );
  const identity = openIdentity({
    ...bench,
    ephemeral,
    secret: () => new Uint8Array(32).fill(1),
    isActiveAgent: async () => false,
    isKnownAudience: async () => false,
    originOf: () => ({ requestId: newId(runtime, 'req'), ip: '192.0.2.9' }),
    log: () => {},
  });

  return {
    async enrolHost(tenant, name, { scopes, audiences = [] }) {
      const key = await makeClientKey(runtime);
      const { token: invite } = await call(tenant, 'machines.v1.MachineService/CreateInvite', {
        hostName: name,
        ttlSeconds: 600,
        scopes,
        audiences,
      });
      const { nonce } = await call(tenant, 'machines.v1.MachineService/Challenge', { credential: invite });
      const proof = await key.sign('mono-proof+jwt', { aud: tenant.issuer, nonce });
      const enrolled = await call(tenant, 'machines.v1.MachineService/RedeemInvite', {
        invite,
        publicJwk: key.publicJwk,
        proof,
      });
      const { id } = enrolled.host as { id: HostId };
      return { hostId: id, id: enrolled.clientId as string, tenant, key };
    },
    async createAgent({ tenant, hostId }, name, scopes) {
      const email = `${newId(runtime, 'usr')}@example.test`;
      const owner = { email, password: 'a long enough passphrase', name: 'Owner' };
      const ownerUserId = await identity.createUser(tenant, owner);
      await database.forTenant(tenant.id, (tx) => addMember(tx, ownerUserId, 'member', runtime.nowMs()));
      const { agent } = await call(tenant, 'machines.v1.MachineService/CreateAgent', {
        hostId,
        name,
        ownerUserId,
        scopes,
      });
      return (agent as { id: AgentId }).id;
    },
    ownerOf: (tenant, id) =>
      database.forTenant(tenant.id, async (tx) => {
        const agent = await findAgent(tx, id);
        if (!agent) throw new Error(`no agent ${id}`);
        return `user:${agent.ownerUserId}` as const;
      }),
    revokeHost: ({ tenant, hostId }) => bench.revoke(tenant, { kind: 'host', id: hostId }, [hostParticipant()]),
    async setMintBudget(tenant, holder, budget, basedOn = 0) {
      await call(tenant, 'machines.v1.MachineService/SetMintBudget', { holder, budget, version: String(basedOn) });
    },
    async publishPolicy(tenant, policyText, basedOn) {
      await call(tenant, 'policy.v1.PolicyService/PublishDraft', { policyText, basedOn: String(basedOn) });
    },
  };
}
