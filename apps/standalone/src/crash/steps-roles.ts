import type { JsonObject } from '@bufbuild/protobuf';
import { decodeJwt } from 'jose';
import { hold } from '../tour/scene.ts';
import { readFeed } from './evidence.ts';
import { repeatableOf } from './repeatable.ts';
import { ask, type CrashScene, idOf, isActive, makeHost, scopes } from './scene.ts';
import { type Step, step } from './shot.ts';
import { only, onlyEvent } from './steps-tenant.ts';

const policy = 'policy.v1.PolicyService';
const repeatable = repeatableOf(policy, (answer) => idOf(answer.assignment));
const nameOf = (answer: JsonObject) => (answer.product as { name: string }).name;

/** A product with a resource of its own. */
async function openProduct(scene: CrashScene, label: string) {
  const identifier = `https://${label}.example`;
  await ask(scene, 'clients.v1.ClientService/CreateResource', { identifier, name: label });
  const roles = [{ name: 'editor', permissions: ['doc:read', 'doc:write'] }];
  return { name: label, roles, resources: [identifier] };
}

async function newAgent(scene: CrashScene, label: string): Promise<string> {
  const { hostId } = await makeHost(scene, label);
  const { agent } = await ask(scene, 'machines.v1.MachineService/CreateAgent', { hostId, name: label, scopes });
  return idOf(agent);
}

async function assignment(scene: CrashScene, label: string): Promise<JsonObject> {
  await ask(scene, `${policy}/RegisterProduct`, await openProduct(scene, label));
  const principal = `agent:${await newAgent(scene, label)}`;
  return { product: label, role: 'editor', principal, idempotencyKey: label };
}

/** The owner's role, and a token of theirs that tells of it. */
const removeRole = step<JsonObject>(`monoauth.${policy}/RemoveRole`, async (scene, label) => {
  const product = await openProduct(scene, label);
  await ask(scene, `${policy}/RegisterProduct`, product);
  const principal = decodeJwt(scene.ownerToken).sub as string;
  const given = await ask(scene, `${policy}/AssignRole`, { product: label, role: 'editor', principal });
  const id = idOf(given.assignment);
  const token = await scene.owner.token({ audience: product.resources[0] as string, scope: scopes.join(' ') });
  hold(decodeJwt<{ grants?: string[] }>(token).grants?.includes(id) ?? false, 'the token hangs on the role');
  const send = async () => (await ask(scene, `${policy}/RemoveRole`, { id })).assignment as JsonObject;
  return {
    async send() {
      const assignment = await send();
      scene.dead.add(token);
      return assignment;
    },
    async repeat(first) {
      if (first) hold(!(await isActive(scene, token)), 'a removal that was answered holds');
      return send();
    },
    async hold(assignment) {
      hold(assignment.endedAt !== undefined, 'the role was removed');
      scene.dead.add(token);
      await onlyEvent(scene, 'role.removed', id);
      const entries = (await readFeed(scene)).filter(
        ({ payload }) => (payload.target as JsonObject | undefined)?.id === id,
      );
      only(entries, `the feed entry of ${label}`);
    },
  };
});

export const roleSteps: readonly Step[] = [
  repeatable(
    'RegisterProduct',
    'product.registered',
    async (scene, label) => ({ request: { ...(await openProduct(scene, label)), idempotencyKey: label } }),
    nameOf,
  ),
  repeatable('AssignRole', 'role.assigned', async (scene, label) => ({ request: await assignment(scene, label) })),
  removeRole,
];
