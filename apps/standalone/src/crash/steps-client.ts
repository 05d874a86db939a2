import type { JsonObject } from '@bufbuild/protobuf';
import { systemRuntime } from '@mono-auth/core/runtime';
import { hold } from '../tour/scene.ts';
import { repeatableOf } from './repeatable.ts';
import { ask, type CrashScene, idOf, Unanswered } from './scene.ts';
import { type Step, step } from './shot.ts';

const clients = 'clients.v1.ClientService';
const manifest = { authMethod: 'AUTH_METHOD_CLIENT_SECRET_BASIC', redirectUris: ['https://a.example/callback'] };

const repeatable = repeatableOf(clients, (answer) => idOf(answer.client));

interface MadeClient {
  readonly id: string;
  readonly proposedHash: string;
  readonly secrets: readonly { id: string }[];
}

async function make(scene: CrashScene, name: string, more: JsonObject = {}): Promise<MadeClient> {
  const answer = await ask(scene, `${clients}/CreateClient`, { kind: 'CLIENT_KIND_APP', name, manifest, ...more });
  return answer.client as unknown as MadeClient;
}

const approved = (scene: CrashScene, label: string) => make(scene, label, { approve: true });

async function makeResource(scene: CrashScene, label: string): Promise<string> {
  const identifier = `https://${label}.example`;
  await ask(scene, `${clients}/CreateResource`, { identifier, name: label });
  return identifier;
}

const byIdentifier = (answer: JsonObject) => (answer.resource as { identifier: string }).identifier;
const byToken = (answer: JsonObject) => idOf(answer.registrationToken);

/** The marker of this attempt is a ceiling that nobody else sets; two attempts at the same time read and try again. */
const updatePolicy = step<string>(
  'monoauth.tenants.v1.TenantService/UpdateSecurityPolicy',
  async (scene) => {
    const [high = 0, low = 0] = systemRuntime.randomBytes(2);
    const marker = 2_592_000 + high * 256 + low;
    const send = async (): Promise<string> => {
      const { policy, version = '0' } = await ask(scene, 'tenants.v1.TenantService/GetSecurityPolicy', {});
      if ((policy as JsonObject).refreshTokenTtlSecondsMax === marker) return version as string;
      const request = { policy: { ...(policy as JsonObject), refreshTokenTtlSecondsMax: marker }, version };
      const answer = await ask(scene, 'tenants.v1.TenantService/UpdateSecurityPolicy', request).catch(
        (error: Error) => {
          throw error.message.includes('stale_version') ? new Unanswered('another was first', { cause: error }) : error;
        },
      );
      return answer.version as string;
    };
    return {
      send,
      repeat: async (first) => first ?? send(),
      async hold(version) {
        const read = await ask(scene, 'tenants.v1.TenantService/GetSecurityPolicy', {});
        hold(Number(read.version) >= Number(version), `the ceilings are of version ${version} or later`);
        if (read.version === version) {
          hold((read.policy as JsonObject).refreshTokenTtlSecondsMax === marker, 'they are as they were set');
        }
      },
    };
  },
  { shots: 1 },
);

export const clientSteps: readonly Step[] = [
  updatePolicy,
  repeatable('SubmitClient', 'client.submitted', async (scene, label) => ({
    request: { id: (await make(scene, label)).id },
  })),
  repeatable('ApproveClient', 'client.approved', async (scene, label) => {
    const { id, proposedHash } = await make(scene, label, { submit: true });
    return { request: { id, manifestHash: proposedHash } };
  }),
  repeatable('RejectClient', 'client.rejected', async (scene, label) => ({
    request: { id: (await make(scene, label, { submit: true })).id, reason: 'not yet' },
  })),
  repeatable('UpdateClient', 'client.updated', async (scene, label) => ({
    request: { id: (await make(scene, label)).id, version: '1', manifest: { ...manifest, scopes: ['orders:read'] } },
  })),
  repeatable('SuspendClient', 'client.suspended', async (scene, label) => ({
    request: { id: (await approved(scene, label)).id },
  })),
  repeatable('ResumeClient', 'client.resumed', async (scene, label) => {
    const { id } = await approved(scene, label);
    await ask(scene, `${clients}/SuspendClient`, { id });
    return { request: { id } };
  }),
  repeatable('RetireClient', 'client.retired', async (scene, label) => ({
    request: { id: (await approved(scene, label)).id },
  })),
  repeatable(
    'RotateSecret',
    'client.secret_rotated',
    async (scene, label) => {
      const { id } = await approved(scene, label);
      return { request: { id, idempotencyKey: label }, objectId: id };
    },
    (answer) => idOf(answer.secret),
  ),
  repeatable('RetireSecret', 'client.secret_retired', async (scene, label) => {
    const { id, secrets } = await approved(scene, label);
    return { request: { id, secretId: secrets[0]?.id ?? '' } };
  }),
  repeatable(
    'CreateResource',
    'resource.created',
    async (_scene, label) => ({
      request: { identifier: `https://${label}.example`, name: label, idempotencyKey: label },
    }),
    byIdentifier,
  ),
  repeatable(
    'UpdateResource',
    'resource.updated',
    async (scene, label) => ({
      request: { identifier: await makeResource(scene, label), version: '1', name: 'changed' },
    }),
    byIdentifier,
  ),
  repeatable(
    'RetireResource',
    'resource.retired',
    async (scene, label) => ({ request: { identifier: await makeResource(scene, label) } }),
    byIdentifier,
  ),
  repeatable(
    'CreateRegistrationToken',
    'registration_token.created',
    async (_scene, label) => ({ request: { label, idempotencyKey: label } }),
    byToken,
  ),
  repeatable(
    'RevokeRegistrationToken',
    'registration_token.revoked',
    async (scene, label) => {
      const answer = await ask(scene, `${clients}/CreateRegistrationToken`, { label });
      return { request: { id: byToken(answer) } };
    },
    byToken,
  ),
];
