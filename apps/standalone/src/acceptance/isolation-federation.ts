import type { JsonObject } from '@bufbuild/protobuf';
import { call, freshName, type IsolationRow } from './isolation-row.ts';
import { makeKey } from './plain-client.ts';
import type { TenantScene } from './tenant-scene.ts';

const service = 'monoauth.federation.v1.FederationService';

async function issuerNamed(name: string): Promise<JsonObject> {
  return { issuer: `https://${name}.example`, ...(await boundsNamed(name)) };
}

async function boundsNamed(name: string): Promise<JsonObject> {
  const { publicJwk } = await makeKey();
  return {
    name,
    purposes: ['ASSERTION_PURPOSE_WORKLOAD', 'ASSERTION_PURPOSE_ID_JAG'],
    jwks: { keys: [publicJwk as JsonObject] },
    scopes: ['orders:read'],
    audiences: ['https://orders.example'],
  };
}

/** Of the scene's issuer, as far as a request needs them. */
const plainBounds: JsonObject = {
  ...{ name: 'a neighbour', purposes: ['ASSERTION_PURPOSE_ID_JAG'], jwksUri: 'https://idp.example/keys' },
  ...{ scopes: ['orders:read'], audiences: ['https://orders.example'] },
};

async function trusted(here: TenantScene): Promise<string> {
  const answer = await call(here, `${service}/TrustIssuer`, await issuerNamed(freshName()));
  return (answer.issuer as { id: string }).id;
}

const serverNamed = (name: string, clientId: string): JsonObject => ({
  ...{ issuer: `https://${name}.example`, name, clientId, remoteClientId: 'there' },
  profile: 'ASSERTION_PROFILE_ID_JAG',
});

const issuers: Readonly<Record<string, IsolationRow>> = {
  [`${service}/TrustIssuer`]: {
    own: () => issuerNamed(freshName()),
    shows: true,
    foreign: ({ client }) => [
      {
        ...{ issuer: 'https://idp.example', ...plainBounds, clientIds: [client] },
      },
    ],
  },
  [`${service}/ListIssuers`]: {
    own: () => ({}),
    shows: true,
    silent: ({ handles }) => [{ pageToken: handles.trustedIssuer }],
  },
  [`${service}/UpdateIssuer`]: {
    own: async (here) => ({ id: await trusted(here), version: '1', ...(await boundsNamed(freshName())) }),
    shows: true,
    foreign: ({ trustedIssuer, client }, { handles }) => [
      { id: trustedIssuer, version: '1', ...plainBounds },
      { id: handles.trustedIssuer, version: '1', ...plainBounds, clientIds: [client] },
    ],
  },
  [`${service}/SuspendIssuer`]: {
    own: async (here) => ({ id: await trusted(here), reason: 'looked at' }),
    shows: true,
    foreign: ({ trustedIssuer }) => [{ id: trustedIssuer }],
  },
  [`${service}/ResumeIssuer`]: {
    own: async (here) => {
      const id = await trusted(here);
      await call(here, `${service}/SuspendIssuer`, { id });
      return { id };
    },
    shows: true,
    foreign: ({ trustedIssuer }) => [{ id: trustedIssuer }],
  },
  [`${service}/RemoveIssuer`]: {
    own: async (here) => ({ id: await trusted(here) }),
    shows: true,
    foreign: ({ trustedIssuer }) => [{ id: trustedIssuer }],
  },
};

const subjects: Readonly<Record<string, IsolationRow>> = {
  [`${service}/LinkSubject`]: {
    own: ({ handles }) => ({ issuerId: handles.trustedIssuer, subject: freshName(), userId: handles.user }),
    shows: true,
    foreign: ({ trustedIssuer, user, agent, client }, { handles }) => [
      { issuerId: trustedIssuer, subject: 'sub', userId: handles.user },
      { issuerId: handles.trustedIssuer, subject: 'sub', userId: user },
      { issuerId: handles.trustedIssuer, subject: 'sub', agentId: agent },
      { issuerId: handles.trustedIssuer, subject: 'sub', clientId: client },
    ],
  },
  [`${service}/ListSubjects`]: {
    own: ({ handles }) => ({ issuerId: handles.trustedIssuer }),
    shows: true,
    foreign: ({ trustedIssuer }) => [{ issuerId: trustedIssuer }],
  },
  [`${service}/UnlinkSubject`]: {
    own: async (here) => {
      const asked = { issuerId: here.handles.trustedIssuer, subject: freshName(), userId: here.handles.user };
      const answer = await call(here, `${service}/LinkSubject`, asked);
      return { id: (answer.subject as { id: string }).id };
    },
    shows: true,
    foreign: ({ linkedSubject }) => [{ id: linkedSubject }],
  },
};

const resourceServers: Readonly<Record<string, IsolationRow>> = {
  [`${service}/TrustResourceServer`]: {
    own: ({ handles }) => serverNamed(freshName(), handles.app),
    shows: true,
    foreign: ({ client }) => [serverNamed('as', client)],
  },
  [`${service}/ListResourceServers`]: {
    own: () => ({}),
    shows: true,
    silent: ({ handles }) => [{ pageToken: handles.resourceServer }],
  },
  [`${service}/RemoveResourceServer`]: {
    own: async (here) => {
      const made = await call(here, `${service}/TrustResourceServer`, serverNamed(freshName(), here.handles.app));
      return { id: (made.resourceServer as { id: string }).id };
    },
    shows: true,
    foreign: ({ resourceServer }) => [{ id: resourceServer }],
  },
};

/** How tenants are kept apart in each RPC of FederationService. */
export const federationRows: Readonly<Record<string, IsolationRow>> = { ...issuers, ...subjects, ...resourceServers };
