import type { JsonObject } from '@bufbuild/protobuf';
import { systemRuntime } from '@mono-auth/core/runtime';
import { decodeJwt } from 'jose';
import { redemptionOf, renewalOf } from '../acceptance/enrol-plainly.ts';
import { makeKey, PlainClient, tokenOf } from '../acceptance/plain-client.ts';
import { hold } from '../tour/scene.ts';
import { readFeed } from './evidence.ts';
import {
  answered,
  ask,
  type CrashScene,
  eventsOf,
  idOf,
  isActive,
  LostNonce,
  list,
  makeAgent,
  makeHost,
  makeInvite,
  makeMachine,
  patiently,
  rpc,
  scopes,
  Unanswered,
} from './scene.ts';
import { type Aim, type Step, step } from './shot.ts';
import { only, onlyEvent } from './steps-tenant.ts';

const machines = 'machines.v1.MachineService';

const createInvite = step<string>('monoauth.machines.v1.MachineService/CreateInvite', async (scene, hostName) => {
  const request = { hostName, scopes, idempotencyKey: hostName };
  const send = async () => idOf((await ask(scene, `${machines}/CreateInvite`, request)).invite);
  return {
    send,
    repeat: send,
    async hold(id, first) {
      hold(first === undefined || first === id, 'the invite that was answered is the invite');
      const invites = await list(scene, `${machines}/ListInvites`, 'invites');
      only(
        invites.filter((invite) => invite.hostName === hostName),
        `the invite of ${hostName}`,
      );
      await onlyEvent(scene, 'invite.created', id);
    },
  };
});

const revokeInvite = step<JsonObject>('monoauth.machines.v1.MachineService/RevokeInvite', async (scene, label) => {
  const { id, token } = await makeInvite(scene, label);
  const send = async () => (await ask(scene, `${machines}/RevokeInvite`, { id })).invite as JsonObject;
  return {
    send,
    repeat: send,
    async hold(invite) {
      hold(invite.status === 'INVITE_STATUS_REVOKED', 'the invite is revoked');
      await onlyEvent(scene, 'invite.revoked', id);
      const redeem = async () => {
        const message = await redemptionOf(scene.issuer, token, await makeKey());
        return rpc(scene.issuer, `${machines}/RedeemInvite`, undefined, message);
      };
      await refused(redeem, 'invite_used');
    },
  };
});

const redeemInvite = step<JsonObject>('monoauth.machines.v1.MachineService/RedeemInvite', async (scene, name) => {
  const { issuer } = scene;
  const invite = await makeInvite(scene, name);
  const key = await makeKey();
  const prepared = await redemptionOf(issuer, invite.token, key);
  const redeem = (message: JsonObject) => rpc(issuer, `${machines}/RedeemInvite`, undefined, message);
  return {
    send: () => redeem(prepared),
    async repeat(first) {
      // The very message again: its challenge is used up, or it is the first that is heard.
      const same = await redeem(prepared).catch(unlessUnanswered);
      hold(first === undefined || same === undefined, 'a proof is heard once');
      return redeem(await redemptionOf(issuer, invite.token, key));
    },
    async hold(enrolled, first) {
      const hostId = idOf(enrolled.host);
      hold(first === undefined || idOf(first.host) === hostId, 'the host that was answered is the host');
      for (const [method, field] of [
        [`${machines}/ListHosts`, 'hosts'],
        ['clients.v1.ClientService/ListClients', 'clients'],
      ] as const) {
        const named = (await list(scene, method, field)).filter((each) => each.name === name);
        only(named, `${name} in ${field}`);
      }
      await onlyEvent(scene, 'host.enrolled', hostId);
      scene.live.add(tokenOf(await new PlainClient(issuer, enrolled.clientId as string, key).clientCredentials()));
      const another = async () => redeem(await redemptionOf(issuer, invite.token, await makeKey()));
      await refused(another, 'invite_used');
    },
  };
});

const renewHost = step<string>('monoauth.machines.v1.MachineService/RenewHost', async (scene, label) => {
  const host = await makeHost(scene, label);
  const requestId = systemRuntime.uuid();
  const prepared = await renewalOf(host, requestId);
  const renew = async (message: JsonObject) =>
    (await rpc(scene.issuer, `${machines}/RenewHost`, undefined, message)).joinState as string;
  return {
    send: () => renew(prepared),
    repeat: async () => renew(await renewalOf(host, requestId)),
    async hold(joinState, first) {
      hold(first === undefined || first === joinState, 'a repeated renewal is answered alike');
      const { host: now } = await ask(scene, `${machines}/GetHost`, { id: host.hostId });
      const { status, generation } = now as JsonObject;
      hold(status === 'HOST_STATUS_ACTIVE' && generation === '2', `advanced once (${status}, ${generation})`);
      hold(decodeJwt(joinState).generation === 2, 'its join state says so');
      await onlyEvent(scene, 'host.renewed', host.hostId);
    },
  };
});

const createAgent = step<string>('monoauth.machines.v1.MachineService/CreateAgent', async (scene, name) => {
  const { client, hostId } = await makeHost(scene, name);
  const request = { hostId, name, scopes, idempotencyKey: name };
  const send = async () => idOf((await ask(scene, `${machines}/CreateAgent`, request)).agent);
  return {
    send,
    repeat: send,
    async hold(id, first) {
      hold(first === undefined || first === id, 'the agent that was answered is the agent');
      const agents = (await list(scene, `${machines}/ListAgents`, 'agents')).filter((agent) => agent.name === name);
      only(agents, `the agent ${name}`);
      await onlyEvent(scene, 'agent.created', id);
      scene.live.add(tokenOf(await client.clientCredentials({ agent: id })));
    },
  };
});

const setMintBudget = step<string>('monoauth.machines.v1.MachineService/SetMintBudget', async (scene, label) => {
  const { hostId } = await makeHost(scene, label);
  const holder = { hostId };
  const budget = { tokensPerWindow: '1000', windowSeconds: 60 };
  const send = async () =>
    (await ask(scene, `${machines}/SetMintBudget`, { holder, budget, version: '0' })).version as string;
  return {
    send,
    repeat: send,
    async hold(version, first) {
      hold(version === '1' && (first === undefined || first === version), 'a repeated change is answered alike');
      const read = await ask(scene, `${machines}/GetMintBudget`, { holder });
      const { tokensPerWindow } = read.budget as JsonObject;
      hold(read.version === '1' && tokensPerWindow === '1000', 'the budget is the one that was set');
      await onlyEvent(scene, 'mint_budget.set', hostId);
    },
  };
});

/** A grant whose assertion is spent together with the evidence of its token, or not at all. */
async function grant(
  scene: CrashScene,
  client: PlainClient,
  type: 'token.issued' | 'token.exchanged',
  ask: (assertion: string) => Promise<JsonObject>,
): Promise<Aim<string>> {
  const issued = async () => (await eventsOf(scene, type)).filter(({ clientId }) => clientId === client.id);
  const prepared = await client.assertion();
  const before = (await issued()).length;
  const send = async (assertion: string) => (await ask(assertion)).access_token as string;
  return {
    send: () => send(prepared),
    async repeat(first) {
      const spent = (await issued()).length - before;
      hold(spent === 1 || (spent === 0 && first === undefined), `the token has its evidence (${spent})`);
      const again = await send(prepared).catch(unlessUnanswered);
      hold((again === undefined) === (spent === 1), 'an assertion is spent once, with its evidence');
      return first ?? again ?? send(await client.assertion());
    },
    async hold(token) {
      await onlyEvent(scene, type, decodeJwt(token).jti ?? '');
      scene.live.add(token);
    },
  };
}

const clientCredentials = step<string>('POST /oauth2/token client_credentials', async (scene, label) => {
  const client = await makeMachine(scene, label);
  return grant(scene, client, 'token.issued', (client_assertion) =>
    answered(() => client.clientCredentials({ client_assertion }), 'client_credentials'),
  );
});

const exchange = step<string>('POST /oauth2/token token-exchange', async (scene, label) => {
  const { host, actorToken: actor } = await makeAgent(scene, label);
  const subject = await scene.owner.token({ audience: scene.issuer, scope: scopes.join(' ') });
  return grant(scene, host.client, 'token.exchanged', (client_assertion) =>
    answered(
      () => host.client.exchange({ subject, actor }, { audience: scene.resource, client_assertion }),
      'token-exchange',
    ),
  );
});

const exchangeRpc = step<string>('monoauth.tokens.v1.TokenService/Exchange', async (scene, label) => {
  const { host, actorToken: actor } = await makeAgent(scene, label);
  const subject = await scene.owner.token({ audience: scene.issuer, scope: scopes.join(' ') });
  return grant(scene, host.client, 'token.exchanged', async (assertion) => {
    const message = await host.client.exchangeMessage({ subject, actor }, scene.resource, assertion);
    const { accessToken } = await rpc(scene.issuer, 'tokens.v1.TokenService/Exchange', undefined, message);
    return { access_token: accessToken as string };
  });
});

const revoke = step<JsonObject>('monoauth.revocation.v1.RevocationService/Revoke', async (scene, label) => {
  const { host, actorToken } = await makeAgent(scene, label);
  const target = { hostId: host.hostId };
  const request = { target, reason: label, idempotencyKey: label };
  const send = async () =>
    (await ask(scene, 'revocation.v1.RevocationService/Revoke', request)).revocation as JsonObject;
  return {
    async send() {
      const revocation = await send();
      scene.dead.add(actorToken);
      return revocation;
    },
    async repeat(first) {
      if (first) hold(!(await isActive(scene, actorToken)), 'a revocation that was answered holds');
      return send();
    },
    async hold(revocation, first) {
      hold(first === undefined || first.id === revocation.id, 'the revocation that was answered is the revocation');
      scene.dead.add(actorToken);
      await onlyEvent(scene, 'revocation.created', host.hostId);
      const entries = (await readFeed(scene)).filter(({ payload }) => payload.id === revocation.id);
      hold(only(entries, `the feed entry of ${label}`).seq === Number(revocation.feedSeq), 'at the place it names');
      await refused(() => answered(() => host.client.clientCredentials(), 'client_credentials'), 'invalid_client');
    },
  };
});

const revokeToken = step<string>('POST /oauth2/revoke', async (scene, label) => {
  const client = await makeMachine(scene, label);
  const token = tokenOf(await client.clientCredentials());
  const send = async () => {
    await answered(() => client.post('revoke', { token }), 'revoke');
    scene.dead.add(token);
    return token;
  };
  return {
    send,
    async repeat(first) {
      if (first) hold(!(await isActive(scene, token)), 'a revocation that was answered holds');
      return send();
    },
    hold: async () => void (await onlyEvent(scene, 'revocation.created', decodeJwt(token).jti ?? '')),
  };
});

/** Undefined for a refusal; what was not answered is asked again. */
function unlessUnanswered(error: unknown): undefined {
  if (error instanceof Unanswered && !(error instanceof LostNonce)) throw error;
}

async function refused(call: () => Promise<unknown>, reason: string): Promise<void> {
  const error = await patiently(call).then(
    () => undefined,
    (thrown: Error) => thrown,
  );
  hold(error?.message.includes(reason) === true, `refused with ${reason} (${error?.message ?? 'it was answered'})`);
}

export const machineSteps: readonly Step[] = [
  createInvite,
  revokeInvite,
  redeemInvite,
  renewHost,
  createAgent,
  setMintBudget,
  clientCredentials,
  exchange,
  exchangeRpc,
  revoke,
  revokeToken,
];
