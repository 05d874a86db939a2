import type { JsonObject } from '@bufbuild/protobuf';
import { call, freshName, type IsolationRow } from './isolation-row.ts';
import { makeKey } from './plain-client.ts';
import type { Handles, TenantScene } from './tenant-scene.ts';

const service = 'monoauth.clients.v1.ClientService';
const page = (kind: keyof Handles) => (there: TenantScene) => [{ pageToken: there.handles[kind] }];
/** Both clients of a tenant that people govern. */
const eitherClient =
  (more: JsonObject = {}) =>
  ({ client, app }: Handles) => [
    { id: client, ...more },
    { id: app, ...more },
  ];

/** What an app asks to be allowed; it needs no key. */
const manifest = { authMethod: 'AUTH_METHOD_CLIENT_SECRET_BASIC', redirectUris: ['https://a.example/callback'] };
const app = () => ({ kind: 'CLIENT_KIND_APP', name: freshName(), manifest });

interface Made {
  readonly id: string;
  readonly version: string;
  readonly proposedHash: string;
  readonly secrets: readonly { id: string }[];
}

async function make(here: TenantScene, more: JsonObject = {}): Promise<Made> {
  const answer = await call(here, `${service}/CreateClient`, { ...app(), ...more });
  return answer.client as unknown as Made;
}

async function makeResource(here: TenantScene): Promise<{ identifier: string; version: string }> {
  const asked = { identifier: `https://${freshName()}.example`, name: 'made' };
  const answer = await call(here, `${service}/CreateResource`, asked);
  return answer.resource as unknown as { identifier: string; version: string };
}

const manifests: Readonly<Record<string, IsolationRow>> = {
  [`${service}/CreateClient`]: {
    own: async () => {
      const { publicJwk } = await makeKey();
      return { kind: 'CLIENT_KIND_MACHINE', name: freshName(), jwks: { keys: [publicJwk as JsonObject] } };
    },
    shows: true,
    foreign: ({ user }) => [{ ...app(), ownerUserId: user }],
  },
  [`${service}/GetClient`]: { own: ({ handles }) => ({ id: handles.client }), shows: true, foreign: eitherClient() },
  [`${service}/ListClients`]: { own: () => ({}), shows: true, silent: page('client') },
  [`${service}/SubmitClient`]: {
    own: async (here) => ({ id: (await make(here)).id }),
    shows: true,
    foreign: eitherClient(),
  },
  [`${service}/ApproveClient`]: {
    own: async (here) => {
      const { id, proposedHash } = await make(here, { submit: true });
      return { id, manifestHash: proposedHash };
    },
    shows: true,
    foreign: eitherClient({ manifestHash: 'a'.repeat(43) }),
  },
  [`${service}/RejectClient`]: {
    own: async (here) => ({ id: (await make(here, { submit: true })).id, reason: 'not yet' }),
    shows: true,
    foreign: eitherClient({ reason: 'not mine' }),
  },
  [`${service}/UpdateClient`]: {
    own: async (here) => {
      const { id, version } = await make(here);
      return { id, version, manifest: { ...manifest, scopes: ['orders:read'] } };
    },
    shows: true,
    foreign: ({ client, user }, here) => [
      { id: client, version: '1', manifest },
      { id: here.handles.app, version: '1', manifest, ownerUserId: user },
    ],
  },
};

const lives: Readonly<Record<string, IsolationRow>> = {
  [`${service}/SuspendClient`]: {
    own: async (here) => ({ id: (await make(here, { approve: true })).id, reason: 'looked at' }),
    shows: true,
    foreign: eitherClient(),
  },
  [`${service}/ResumeClient`]: {
    own: async (here) => {
      const { id } = await make(here, { approve: true });
      await call(here, `${service}/SuspendClient`, { id });
      return { id };
    },
    shows: true,
    foreign: eitherClient(),
  },
  [`${service}/RetireClient`]: {
    own: async (here) => ({ id: (await make(here, { approve: true })).id }),
    shows: true,
    foreign: eitherClient(),
  },
  [`${service}/RotateSecret`]: {
    own: async (here) => ({ id: (await make(here)).id }),
    shows: true,
    foreign: eitherClient(),
  },
  [`${service}/RetireSecret`]: {
    own: async (here) => {
      const { id, secrets } = await make(here);
      return { id, secretId: secrets[0]?.id ?? '' };
    },
    shows: true,
    foreign: ({ app: id, secret }, here) => [
      { id, secretId: secret },
      { id: here.handles.app, secretId: secret },
    ],
  },
};

const resources: Readonly<Record<string, IsolationRow>> = {
  [`${service}/CreateResource`]: {
    own: () => ({ identifier: `https://${freshName()}.example`, name: freshName() }),
  },
  [`${service}/GetResource`]: {
    own: ({ resource }) => ({ identifier: resource }),
    shows: true,
    foreign: ({ resource }) => [{ identifier: resource }],
  },
  [`${service}/ListResources`]: { own: () => ({}), shows: true, silent: page('resource') },
  [`${service}/UpdateResource`]: {
    own: async (here) => {
      const { identifier, version } = await makeResource(here);
      return { identifier, version, name: 'changed', scopes: ['orders:read'] };
    },
    foreign: ({ resource }) => [{ identifier: resource, version: '1', name: 'mine now' }],
  },
  [`${service}/RetireResource`]: {
    own: async (here) => ({ identifier: (await makeResource(here)).identifier }),
    foreign: ({ resource }) => [{ identifier: resource }],
  },
};

const registrationTokens: Readonly<Record<string, IsolationRow>> = {
  [`${service}/CreateRegistrationToken`]: { own: () => ({ label: freshName() }), shows: true },
  [`${service}/ListRegistrationTokens`]: { own: () => ({}), shows: true, silent: page('registrationToken') },
  [`${service}/RevokeRegistrationToken`]: {
    own: async (here) => {
      const answer = await call(here, `${service}/CreateRegistrationToken`, { label: freshName() });
      return { id: (answer.registrationToken as { id: string }).id };
    },
    shows: true,
    foreign: ({ registrationToken }) => [{ id: registrationToken }],
  },
};

/** How tenants are kept apart in each RPC of ClientService. */
export const clientRows: Readonly<Record<string, IsolationRow>> = {
  ...manifests,
  ...lives,
  ...resources,
  ...registrationTokens,
};
