import type { JsonObject } from '@bufbuild/protobuf';
import { newId } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import { FeedService } from '@mono-auth/proto/monoauth/feed/v1/feed';
import { rpcClient } from '../tour/person.ts';
import { enrolPlainly, redemptionOf, renewalOf } from './enrol-plainly.ts';
import { ownerEmail, ownerPassword } from './installation.ts';
import { clientRows } from './isolation-clients.ts';
import { federationRows } from './isolation-federation.ts';
import { roleRows } from './isolation-roles.ts';
import { call, freshName, type IsolationRow } from './isolation-row.ts';
import { makeKey, tokenOf } from './plain-client.ts';
import { type Handles, sharedKey, sharedNames, type TenantScene } from './tenant-scene.ts';

const byId = (kind: 'host' | 'agent' | 'client' | 'invite') => (handles: Handles) => [{ id: handles[kind] }];
const pageAfter = (kind: keyof Handles) => (there: TenantScene) => [{ pageToken: there.handles[kind] }];

/** Everything of a tenant that can be named as the target of a revocation and is looked up. */
const targetsOf = ({ session, host, agent, client, user, ...grants }: Handles): JsonObject[] => [
  { sessionId: session },
  { hostId: host },
  { agentId: agent },
  { clientId: client },
  { userId: user },
  { grantId: grants.consent },
  { grantId: grants.trustedIssuer },
  { grantId: grants.linkedSubject },
  { grantId: grants.resourceServer },
];

const holdersOf = ({ host, agent, client }: Handles): JsonObject[] => [
  { hostId: host },
  { agentId: agent },
  { clientId: client },
];

/** Some position: it is looked at only for a subscriber that is there. */
const applied = { incarnation: '1', seq: '0', hash: Buffer.alloc(32).toString('base64') };

async function newInvite(here: TenantScene): Promise<{ id: string; token: string }> {
  const answer = await call(here, 'monoauth.machines.v1.MachineService/CreateInvite', { hostName: freshName() });
  return { id: (answer.invite as { id: string }).id, token: answer.token as string };
}

const tenants: Readonly<Record<string, IsolationRow>> = {
  'monoauth.tenants.v1.TenantService/Resolve': { own: ({ slug }) => ({ slug }) },
  'monoauth.tenants.v1.TenantService/ProvisionTenant': {
    own: () => ({
      slug: `t${systemRuntime.uuid().slice(-12)}`,
      displayName: freshName(),
      ownerEmail,
      ownerPassword,
    }),
  },
  'monoauth.tenants.v1.TenantService/GetTenant': { own: () => ({}), shows: true },
  'monoauth.tenants.v1.TenantService/ListTenants': { own: () => ({}) },
  'monoauth.tenants.v1.TenantService/RotateSigningKey': {
    own: () => ({ purpose: 'KEY_PURPOSE_INVITE', mode: 'ROTATION_MODE_PLANNED', reason: 'a good habit' }),
    shows: true,
    silent: () => [
      {
        ...{ purpose: 'KEY_PURPOSE_INVITE', mode: 'ROTATION_MODE_PLANNED', reason: 'a good habit' },
        idempotencyKey: sharedKey,
      },
    ],
  },
  'monoauth.tenants.v1.TenantService/ListSigningKeys': { own: () => ({}), shows: true, silent: pageAfter('key') },
  'monoauth.tenants.v1.TenantService/GetSecurityPolicy': { own: () => ({}) },
  'monoauth.tenants.v1.TenantService/UpdateSecurityPolicy': {
    own: async (here) => {
      const { policy, version } = await call(here, 'monoauth.tenants.v1.TenantService/GetSecurityPolicy', {});
      return { policy: { ...(policy as JsonObject), accessTokenTtlSecondsMax: 7_200 }, version: version ?? '0' };
    },
  },
};

const machines: Readonly<Record<string, IsolationRow>> = {
  'monoauth.machines.v1.MachineService/CreateInvite': {
    own: () => ({ hostName: freshName() }),
    shows: true,
    silent: () => [{ hostName: 'fra-08', idempotencyKey: sharedKey }],
  },
  'monoauth.machines.v1.MachineService/ListInvites': {
    own: () => ({}),
    shows: true,
    silent: pageAfter('invite'),
  },
  'monoauth.machines.v1.MachineService/RevokeInvite': {
    own: async (here) => ({ id: (await newInvite(here)).id }),
    shows: true,
    foreign: byId('invite'),
  },
  'monoauth.machines.v1.MachineService/Challenge': {
    own: async (here) => ({ credential: (await newInvite(here)).token }),
    foreign: ({ inviteToken, joinState }) => [{ credential: inviteToken }, { credential: joinState }],
  },
  'monoauth.machines.v1.MachineService/RedeemInvite': {
    own: async (here) => redemptionOf(here.issuer, (await newInvite(here)).token, await makeKey()),
    shows: true,
    foreign: ({ inviteToken }, { host }) => [
      { invite: inviteToken, publicJwk: host.client.key.publicJwk as JsonObject, proof: 'never.looked.at' },
    ],
  },
  'monoauth.machines.v1.MachineService/RenewHost': {
    own: async (here) => {
      const host = await enrolPlainly(here.issuer, (await newInvite(here)).token);
      return renewalOf(host, systemRuntime.uuid());
    },
    shows: true,
    foreign: ({ joinState }, { host }) => [
      {
        joinState,
        requestId: systemRuntime.uuid(),
        nextPublicJwk: host.client.key.publicJwk as JsonObject,
        proof: 'never.looked.at',
      },
    ],
  },
  'monoauth.machines.v1.MachineService/GetHost': {
    own: ({ handles }) => ({ id: handles.host }),
    shows: true,
    foreign: byId('host'),
  },
  'monoauth.machines.v1.MachineService/ListHosts': { own: () => ({}), shows: true, silent: pageAfter('host') },
  'monoauth.machines.v1.MachineService/CreateAgent': {
    own: ({ handles }) => ({ hostId: handles.host, name: freshName() }),
    shows: true,
    foreign: ({ host, user }, here) => [
      { hostId: host, name: freshName() },
      { hostId: here.handles.host, name: freshName(), ownerUserId: user },
    ],
  },
  'monoauth.machines.v1.MachineService/GetAgent': {
    own: ({ handles }) => ({ id: handles.agent }),
    shows: true,
    foreign: byId('agent'),
  },
  'monoauth.machines.v1.MachineService/ListAgents': {
    own: () => ({}),
    shows: true,
    foreign: ({ host }) => [{ hostId: host }],
    silent: pageAfter('agent'),
  },
  'monoauth.machines.v1.MachineService/SetMintBudget': {
    own: async (here) => {
      const holder = { agentId: here.handles.agent };
      const { version } = await call(here, 'monoauth.machines.v1.MachineService/GetMintBudget', { holder });
      return { holder, budget: { chainDepthMax: 5 }, version: version ?? '0' };
    },
    foreign: (there) => holdersOf(there).map((holder) => ({ holder, budget: { chainDepthMax: 1 } })),
  },
  'monoauth.machines.v1.MachineService/GetMintBudget': {
    own: ({ handles }) => ({ holder: { hostId: handles.host } }),
    foreign: (there) => holdersOf(there).map((holder) => ({ holder })),
  },
};

async function newAgent(here: TenantScene): Promise<string> {
  const named = { hostId: here.handles.host, name: freshName() };
  const answer = await call(here, 'monoauth.machines.v1.MachineService/CreateAgent', named);
  return (answer.agent as { id: string }).id;
}

/** A consent to some agent, for an hour. */
const consentTo = (agentId: string): JsonObject => ({
  ...{ agentId, scopes: ['orders:read'] },
  expiresAt: new Date(systemRuntime.nowMs() + 3_600_000).toISOString(),
});

const delegation: Readonly<Record<string, IsolationRow>> = {
  'monoauth.delegation.v1.DelegationService/AllowAgent': {
    own: async (here) => consentTo(await newAgent(here)),
    shows: true,
    foreign: ({ agent }) => [consentTo(agent)],
  },
  'monoauth.delegation.v1.DelegationService/ListAgentConsents': {
    own: () => ({}),
    shows: true,
    silent: pageAfter('consent'),
  },
  'monoauth.delegation.v1.DelegationService/EndAgentConsent': {
    own: async (here) => {
      const allow = 'monoauth.delegation.v1.DelegationService/AllowAgent';
      const { consent } = await call(here, allow, consentTo(await newAgent(here)));
      return { id: (consent as { id: string }).id };
    },
    shows: true,
    foreign: ({ consent }) => [{ id: consent }],
  },
};

/** A person's token, and an agent's, for the exchange of which they are made. */
async function exchangeable({ owner, issuer, host, handles }: TenantScene) {
  const subject = await owner.token({ audience: issuer, scope: 'orders:read' });
  return { subject, actor: tokenOf(await host.client.clientCredentials({ agent: handles.agent })) };
}

const tokens: Readonly<Record<string, IsolationRow>> = {
  'monoauth.tokens.v1.TokenService/Exchange': {
    own: async (here) => here.host.client.exchangeMessage(await exchangeable(here), here.resource),
    shows: true,
    // RFC 8693 §2.2.2: a token that is not valid here, for whatever reason.
    refusedAs: 'invalid_request',
    foreign: async ({ accessToken }, here) => {
      const { client } = here.host;
      const { subject, actor } = await exchangeable(here);
      return [
        await client.exchangeMessage({ subject: accessToken, actor }, here.resource),
        await client.exchangeMessage({ subject, actor: accessToken }, here.resource),
      ];
    },
  },
  'monoauth.tokens.v1.TokenService/Explain': {
    own: ({ handles }) => ({ jti: handles.token }),
    shows: true,
    foreign: ({ token, accessToken }) => [{ jti: token }, { token: accessToken }],
  },
  'monoauth.tokens.v1.TokenService/Introspect': {
    own: ({ ownerToken }) => ({ token: ownerToken }),
    shows: true,
    silent: ({ handles }) => [{ token: handles.accessToken }],
  },
};

const feed: Readonly<Record<string, IsolationRow>> = {
  'monoauth.feed.v1.FeedService/Register': {
    own: () => ({ name: freshName() }),
    shows: true,
    silent: () => [{ name: sharedNames.subscriber }],
  },
  'monoauth.feed.v1.FeedService/Watch': {
    own: ({ handles }) => ({ subscriberId: handles.subscriber }),
    shows: true,
    foreign: ({ subscriber }) => [{ subscriberId: subscriber }],
  },
  'monoauth.feed.v1.FeedService/GetSnapshot': {
    own: ({ handles }) => ({ subscriberId: handles.subscriber }),
    shows: true,
    foreign: ({ subscriber }) => [{ subscriberId: subscriber }, { subscriberId: subscriber, proven: applied }],
  },
  'monoauth.feed.v1.FeedService/Acknowledge': {
    own: async (here) => ({ subscriberId: here.handles.subscriber, applied: await headOf(here), nonce: 'n-1' }),
    shows: true,
    foreign: ({ subscriber }) => [{ subscriberId: subscriber, applied, nonce: 'n-1' }],
  },
  'monoauth.feed.v1.FeedService/ListSubscribers': {
    own: () => ({}),
    shows: true,
    silent: pageAfter('subscriber'),
  },
};

const revocations: Readonly<Record<string, IsolationRow>> = {
  'monoauth.revocation.v1.RevocationService/Revoke': {
    own: () => ({ target: { tokenId: newId(systemRuntime, 'tok') }, reason: 'lost' }),
    shows: true,
    foreign: (there) => targetsOf(there).map((target) => ({ target, reason: 'not mine' })),
  },
  'monoauth.revocation.v1.RevocationService/Preview': {
    own: () => ({ target: { tenant: true } }),
    foreign: (there) => targetsOf(there).map((target) => ({ target })),
    silent: ({ handles }) => [{ target: { tokenId: handles.token } }],
  },
  'monoauth.revocation.v1.RevocationService/ListRevocations': {
    own: () => ({}),
    shows: true,
    silent: pageAfter('revocation'),
  },
  'monoauth.revocation.v1.RevocationService/GetReceipt': {
    own: ({ handles }) => ({ revocationId: handles.revocation }),
    shows: true,
    foreign: ({ revocation }) => [{ revocationId: revocation }],
  },
};

const policyText = 'permit (principal, action, resource);';

const policies: Readonly<Record<string, IsolationRow>> = {
  'monoauth.policy.v1.PolicyService/ValidateDraft': { own: () => ({ policyText }) },
  'monoauth.policy.v1.PolicyService/PublishDraft': {
    own: async (here) => ({ policyText: `// ${freshName()}\n${policyText}`, basedOn: await policyVersionOf(here) }),
    shows: true,
  },
  'monoauth.policy.v1.PolicyService/ListVersions': {
    own: () => ({}),
    shows: true,
    silent: () => [{ pageToken: '9' }],
  },
  'monoauth.policy.v1.PolicyService/GetSnapshot': { own: () => ({}), shows: true },
  'monoauth.policy.v1.PolicyService/Check': {
    own: ({ handles }) => checkOf(handles),
    silent: ({ handles }) => [checkOf(handles)],
  },
};

function checkOf({ user }: Handles): JsonObject {
  return { principal: `user:${user}`, action: 'orders:read', resourceType: 'order', resourceId: '42' };
}

const audit: Readonly<Record<string, IsolationRow>> = {
  'monoauth.audit.v1.AuditService/ListEvents': { own: () => ({}), shows: true, silent: pageAfter('event') },
  'monoauth.audit.v1.AuditService/GetCheckpoint': { own: () => ({}), shows: true },
  'monoauth.audit.v1.AuditService/ProveInclusion': {
    own: ({ handles }) => ({ eventId: handles.event }),
    shows: true,
    foreign: ({ event }) => [{ eventId: event }],
  },
  'monoauth.audit.v1.AuditService/ProveConsistency': { own: () => ({ fromSize: '1' }), shows: true },
  'monoauth.audit.v1.AuditService/ExportBundle': { own: () => ({}), shows: true },
};

async function policyVersionOf(here: TenantScene): Promise<string> {
  const { versions } = await call(here, 'monoauth.policy.v1.PolicyService/ListVersions', { pageSize: 1 });
  return (versions as { version: string }[])[0]?.version ?? '';
}

/** Where the feed stands, as a subscriber may say that it has applied it: it was sent this head. */
async function headOf({ issuer, ownerToken, handles }: TenantScene): Promise<JsonObject> {
  const watched = rpcClient(issuer, FeedService, ownerToken).watch({ subscriberId: handles.subscriber });
  for await (const { head } of watched) {
    if (!head) break;
    return {
      incarnation: String(head.incarnation),
      seq: String(head.seq),
      hash: Buffer.from(head.hash).toString('base64'),
    };
  }
  throw new Error('the feed sent no head');
}

export const isolationRows: Readonly<Record<string, IsolationRow>> = {
  ...tenants,
  ...machines,
  ...delegation,
  ...clientRows,
  ...roleRows,
  ...tokens,
  ...federationRows,
  ...feed,
  ...revocations,
  ...policies,
  ...audit,
};
