import type { JsonObject } from '@bufbuild/protobuf';
import { systemRuntime } from '@mono-auth/core/runtime';
import { tokenOf } from '../acceptance/plain-client.ts';
import { hold } from '../tour/scene.ts';
import { readFeed } from './evidence.ts';
import { ask, type CrashScene, idOf, isActive, list, makeHost, scopes } from './scene.ts';
import { type Step, step } from './shot.ts';
import { only, onlyEvent } from './steps-tenant.ts';

const delegation = 'delegation.v1.DelegationService';

/** An agent of its own, and the request of its consent. */
async function prepare(scene: CrashScene, name: string) {
  const { client, hostId } = await makeHost(scene, name);
  const { agent } = await ask(scene, 'machines.v1.MachineService/CreateAgent', { hostId, name, scopes });
  const agentId = idOf(agent);
  const expiresAt = new Date(systemRuntime.nowMs() + 3_600_000).toISOString();
  const request = { agentId, scopes, expiresAt, idempotencyKey: name };
  const allow = async () => (await ask(scene, `${delegation}/AllowAgent`, request)).consent as JsonObject;
  return { client, agentId, allow };
}

const consentsTo = async (scene: CrashScene, agentId: string) =>
  (await list(scene, `${delegation}/ListAgentConsents`, 'consents')).filter((each) => each.agentId === agentId);

const allowAgent = step<string>('monoauth.delegation.v1.DelegationService/AllowAgent', async (scene, label) => {
  const { agentId, allow } = await prepare(scene, label);
  const send = async () => idOf(await allow());
  return {
    send,
    repeat: send,
    async hold(id, first) {
      hold(first === undefined || first === id, 'the consent that was answered is the consent');
      only(await consentsTo(scene, agentId), `the consent to ${label}`);
      await onlyEvent(scene, 'agent.allowed', id);
    },
  };
});

const endAgentConsent = step<JsonObject>(
  'monoauth.delegation.v1.DelegationService/EndAgentConsent',
  async (scene, label) => {
    const { client, agentId, allow } = await prepare(scene, label);
    const id = idOf(await allow());
    const subject = await scene.owner.token({ audience: scene.issuer, scope: scopes.join(' ') });
    const actor = tokenOf(await client.clientCredentials({ agent: agentId }));
    const token = tokenOf(await client.exchange({ subject, actor }, { audience: scene.resource }));
    const send = async () => (await ask(scene, `${delegation}/EndAgentConsent`, { id })).consent as JsonObject;
    return {
      async send() {
        const consent = await send();
        scene.dead.add(token);
        return consent;
      },
      async repeat(first) {
        if (first) hold(!(await isActive(scene, token)), 'an end that was answered holds');
        return send();
      },
      async hold(consent) {
        hold(consent.endedAt !== undefined, 'the consent has ended');
        scene.dead.add(token);
        await onlyEvent(scene, 'agent.disallowed', id);
        const entries = (await readFeed(scene)).filter(
          ({ payload }) => (payload.target as JsonObject | undefined)?.id === id,
        );
        only(entries, `the feed entry of ${label}`);
      },
    };
  },
);

export const delegationSteps: readonly Step[] = [allowAgent, endAgentConsent];
