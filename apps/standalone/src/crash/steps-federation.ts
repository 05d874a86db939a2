import type { JsonObject } from '@bufbuild/protobuf';
import { makeKey } from '../acceptance/plain-client.ts';
import { repeatableOf } from './repeatable.ts';
import { ask, type CrashScene, idOf } from './scene.ts';
import type { Step } from './shot.ts';

const federation = 'federation.v1.FederationService';
const repeatable = repeatableOf(federation, (answer) => idOf(answer.issuer));
const byServer = (answer: JsonObject) => idOf(answer.resourceServer);
const bySubject = (answer: JsonObject) => idOf(answer.subject);

async function issuerNamed(label: string): Promise<JsonObject> {
  const { publicJwk } = await makeKey();
  return {
    issuer: `https://${label}.example`,
    name: label,
    purposes: ['ASSERTION_PURPOSE_WORKLOAD'],
    jwks: { keys: [publicJwk as JsonObject] },
    scopes: ['orders:read'],
    audiences: ['https://orders.example'],
    idempotencyKey: label,
  };
}

async function trusted(scene: CrashScene, label: string): Promise<string> {
  return idOf((await ask(scene, `${federation}/TrustIssuer`, await issuerNamed(label))).issuer);
}

async function client(scene: CrashScene, name: string): Promise<string> {
  const manifest = { authMethod: 'AUTH_METHOD_CLIENT_SECRET_BASIC' };
  const asked = { kind: 'CLIENT_KIND_MACHINE', name: `client-${name}`, manifest };
  return idOf((await ask(scene, 'clients.v1.ClientService/CreateClient', asked)).client);
}

async function link(scene: CrashScene, label: string): Promise<JsonObject> {
  const [issuerId, clientId] = [await trusted(scene, label), await client(scene, label)];
  return { issuerId, subject: 'workload-1', clientId, idempotencyKey: label };
}

async function server(scene: CrashScene, label: string): Promise<JsonObject> {
  const { issuer = '' } = await issuerNamed(label);
  return {
    ...{ issuer, name: label, clientId: await client(scene, label), remoteClientId: 'there' },
    profile: 'ASSERTION_PROFILE_ID_JAG',
    idempotencyKey: label,
  };
}

export const federationSteps: readonly Step[] = [
  repeatable('TrustIssuer', 'issuer.trusted', async (_scene, label) => ({ request: await issuerNamed(label) })),
  repeatable('UpdateIssuer', 'issuer.updated', async (scene, label) => {
    const { issuer: _issuer, idempotencyKey: _key, ...bounds } = await issuerNamed(label);
    return { request: { id: await trusted(scene, label), version: '1', ...bounds, name: `${label}, once more` } };
  }),
  repeatable('SuspendIssuer', 'issuer.suspended', async (scene, label) => ({
    request: { id: await trusted(scene, label), reason: 'looked at' },
  })),
  repeatable('ResumeIssuer', 'issuer.resumed', async (scene, label) => {
    const id = await trusted(scene, label);
    await ask(scene, `${federation}/SuspendIssuer`, { id });
    return { request: { id } };
  }),
  repeatable('RemoveIssuer', 'issuer.removed', async (scene, label) => ({
    request: { id: await trusted(scene, label), reason: 'over' },
  })),
  repeatable(
    'LinkSubject',
    'subject.linked',
    async (scene, label) => ({ request: await link(scene, label) }),
    bySubject,
  ),
  repeatable(
    'UnlinkSubject',
    'subject.unlinked',
    async (scene, label) => {
      const linked = await ask(scene, `${federation}/LinkSubject`, await link(scene, label));
      return { request: { id: bySubject(linked) } };
    },
    bySubject,
  ),
  repeatable(
    'TrustResourceServer',
    'resource_server.trusted',
    async (scene, label) => ({ request: await server(scene, label) }),
    byServer,
  ),
  repeatable(
    'RemoveResourceServer',
    'resource_server.removed',
    async (scene, label) => {
      const made = await ask(scene, `${federation}/TrustResourceServer`, await server(scene, label));
      return { request: { id: byServer(made) } };
    },
    byServer,
  ),
];
