import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { ServiceImpl } from '@connectrpc/connect';
import { notFound } from '@mono-auth/core/errors';
import { parseId, type TenantId } from '@mono-auth/core/ids';
import { pageItemsDefault } from '@mono-auth/core/limits';
import { signJwt } from '@mono-auth/keys';
import type { MachineService } from '@mono-auth/proto/monoauth/machines/v1/machines';
import { callOf, ingressOf } from '@mono-auth/transport';
import { readBudgetOf, setMintBudget } from './budgets/set-mint-budget.ts';
import { createAgent } from './create-agent.ts';
import { createInvite } from './create-invite.ts';
import { challenge, type EnrolmentDeps, enrolHost, renewEnrolment } from './enrolment.ts';
import { claimsOf, type Invite, inviteType } from './invite.ts';
import { revokeInvite } from './revoke-invite.ts';
import { selectAgent, selectAgents } from './store/agents.ts';
import { selectHost, selectHosts } from './store/hosts.ts';
import { selectInvites } from './store/invites.ts';
import {
  agentToProto,
  budgetFromProto,
  budgetToProto,
  holderFromProto,
  hostToProto,
  inviteToProto,
} from './to-proto.ts';

type Methods = Partial<ServiceImpl<typeof MachineService>>;

export function machineService(deps: EnrolmentDeps) {
  return {
    ...inviteMethods(deps),
    ...enrolmentMethods(deps),
    ...hostMethods(deps),
    ...agentMethods(deps),
    ...budgetMethods(deps),
  } satisfies ServiceImpl<typeof MachineService>;
}

function inviteMethods(deps: EnrolmentDeps) {
  const { database, runtime } = deps;

  async function signInvite(tenantId: TenantId, invite: Invite): Promise<string> {
    const tenant = await deps.tenants.byId(tenantId);
    if (!tenant) throw notFound('tenant');
    return signJwt(await deps.keys.signer(tenantId, 'invite'), inviteType, claimsOf(invite, tenant));
  }

  return {
    async createInvite({ hostName, ttlSeconds, scopes, audiences, idempotencyKey }, context) {
      const call = callOf(runtime, context);
      const { tenantId } = call.caller;
      const input = { hostName, ttlSeconds, scopes, audiences, idempotencyKey: idempotencyKey || undefined };
      const invite = await database.forTenant(tenantId, (tx) => createInvite(tx, call, input));
      return { invite: inviteToProto(invite, runtime.nowMs()), token: await signInvite(tenantId, invite) };
    },
    async listInvites(request, context) {
      const { caller } = callOf(runtime, context);
      const after = request.pageToken ? parseId('inv', request.pageToken, 'page_token') : undefined;
      const size = request.pageSize || pageItemsDefault;
      const { items, nextPageToken } = pageOf(
        await database.forTenant(caller.tenantId, (tx) => selectInvites(tx, after, size + 1)),
        size,
      );
      return { invites: items.map((invite) => inviteToProto(invite, runtime.nowMs())), nextPageToken };
    },
    async revokeInvite(request, context) {
      const call = callOf(runtime, context);
      const id = parseId('inv', request.id, 'id');
      const invite = await database.forTenant(call.caller.tenantId, (tx) => revokeInvite(tx, call, id));
      return { invite: inviteToProto(invite, runtime.nowMs()) };
    },
  } satisfies Methods;
}

/** The calls that come without a token: nobody has called `authenticate` for them. */
function enrolmentMethods(deps: EnrolmentDeps) {
  return {
    async challenge(request, context) {
      const { nonce, expiresAtMs } = await challenge(deps, ingressOf(context), request.credential);
      return { nonce, expiresAt: timestampFromMs(expiresAtMs) };
    },
    async redeemInvite(request, context) {
      const { host, joinState, issuer } = await enrolHost(deps, ingressOf(context), request);
      return { host: hostToProto(host), clientId: host.clientId, joinState, issuer };
    },
    async renewHost(request, context) {
      const { host, joinState } = await renewEnrolment(deps, ingressOf(context), request);
      return { host: hostToProto(host), joinState };
    },
  } satisfies Methods;
}

function hostMethods({ database, runtime }: EnrolmentDeps) {
  return {
    async getHost(request, context) {
      const { caller } = callOf(runtime, context);
      const id = parseId('hst', request.id, 'id');
      const host = await database.forTenant(caller.tenantId, (tx) => selectHost(tx, id));
      if (!host) throw notFound('host');
      return { host: hostToProto(host) };
    },
    async listHosts(request, context) {
      const { caller } = callOf(runtime, context);
      const after = request.pageToken ? parseId('hst', request.pageToken, 'page_token') : undefined;
      const size = request.pageSize || pageItemsDefault;
      const { items, nextPageToken } = pageOf(
        await database.forTenant(caller.tenantId, (tx) => selectHosts(tx, after, size + 1)),
        size,
      );
      return { hosts: items.map(hostToProto), nextPageToken };
    },
  } satisfies Methods;
}

function agentMethods({ database, runtime }: EnrolmentDeps) {
  return {
    async createAgent(request, context) {
      const call = callOf(runtime, context);
      const input = {
        hostId: parseId('hst', request.hostId, 'host_id'),
        name: request.name,
        ownerUserId: request.ownerUserId ? parseId('usr', request.ownerUserId, 'owner_user_id') : undefined,
        scopes: request.scopes,
        idempotencyKey: request.idempotencyKey || undefined,
      };
      const agent = await database.forTenant(call.caller.tenantId, (tx) => createAgent(tx, call, input));
      return { agent: agentToProto(agent) };
    },
    async getAgent(request, context) {
      const { caller } = callOf(runtime, context);
      const id = parseId('agt', request.id, 'id');
      const agent = await database.forTenant(caller.tenantId, (tx) => selectAgent(tx, id));
      if (!agent) throw notFound('agent');
      return { agent: agentToProto(agent) };
    },
    async listAgents(request, context) {
      const { caller } = callOf(runtime, context);
      const after = request.pageToken ? parseId('agt', request.pageToken, 'page_token') : undefined;
      const hostId = request.hostId ? parseId('hst', request.hostId, 'host_id') : undefined;
      const size = request.pageSize || pageItemsDefault;
      const found = await database.forTenant(caller.tenantId, async (tx) => {
        if (hostId && !(await selectHost(tx, hostId))) throw notFound('host');
        return selectAgents(tx, { after, hostId }, size + 1);
      });
      const { items, nextPageToken } = pageOf(found, size);
      return { agents: items.map(agentToProto), nextPageToken };
    },
  } satisfies Methods;
}

function budgetMethods({ database, runtime }: EnrolmentDeps) {
  return {
    async setMintBudget(request, context) {
      const call = callOf(runtime, context);
      const holder = holderFromProto(request.holder);
      const change = { budget: budgetFromProto(request.budget), version: Number(request.version) };
      const set = await database.forTenant(call.caller.tenantId, (tx) => setMintBudget(tx, call, holder, change));
      return budgetToProto(set);
    },
    async getMintBudget(request, context) {
      const { caller } = callOf(runtime, context);
      const holder = holderFromProto(request.holder);
      return budgetToProto(await database.forTenant(caller.tenantId, (tx) => readBudgetOf(tx, holder)));
    },
  } satisfies Methods;
}

/** Cuts the one item off that was read too many to know whether there is a next page. */
function pageOf<T extends { readonly id: string }>(found: T[], size: number): { items: T[]; nextPageToken: string } {
  const items = found.slice(0, size);
  return { items, nextPageToken: found.length > size ? (items.at(-1)?.id ?? '') : '' };
}
