import type { JsonObject } from '@bufbuild/protobuf';
import { ClientKind, ClientService } from '@mono-auth/proto/monoauth/clients/v1/clients';
import { MachineService } from '@mono-auth/proto/monoauth/machines/v1/machines';
import { enrollHost, MachineCredentials } from '@mono-auth/sdk';
import { exportJWK, generateKeyPair } from 'jose';
import { startOrdersService } from './orders-service.ts';
import { hold, memoryStore, need, ordersResource, type Step } from './scene.ts';

const orderScopes = ['orders:read', 'orders:write'];
const serviceScopes = ['feed:follow', 'policy:read', 'policy:check', 'tokens:introspect'];

export const machineSteps: readonly Step[] = [
  {
    title: 'The owner registers a resource server; it starts, follows the feed and holds the policy',
    async tell(scene) {
      const { issuer } = need(scene, 'tenant');
      const pair = await generateKeyPair('ES256', { extractable: true });
      const privateJwk = { ...(await exportJWK(pair.privateKey)), alg: 'ES256', kid: 'orders-1' };
      const publicJwk = { ...(await exportJWK(pair.publicKey)), alg: 'ES256', kid: 'orders-1' };
      const clients = await need(scene, 'owner').rpc(ClientService);
      const { client } = await clients.createClient({
        kind: ClientKind.SERVICE,
        name: 'orders',
        scopes: serviceScopes,
        resource: ordersResource(scene),
        jwks: { keys: [publicJwk as JsonObject] },
        approve: true,
      });
      if (!client) throw new Error('no client came back');
      const resource = ordersResource(scene);
      scene.made.orders = await startOrdersService({ issuer, clientId: client.id, privateJwk, resource });
      return [`${client.id} is ${resource}`, `it serves at ${scene.made.orders.url}`];
    },
  },
  {
    title: 'The owner creates an invite; the host makes its own key and enrols with it',
    async tell(scene) {
      const { issuer } = need(scene, 'tenant');
      const machines = await need(scene, 'owner').rpc(MachineService);
      const { token } = await machines.createInvite({
        hostName: 'fra-07',
        scopes: orderScopes,
        audiences: [ordersResource(scene)],
      });
      const host = await enrollHost({ server: issuer, invite: token, store: memoryStore() });
      const { hostId, hostName, clientId, generation } = host.enrolled;
      const again = await enrollHost({ server: issuer, invite: token, store: memoryStore() }).catch((error) => error);
      hold(again instanceof Error, 'the same invite enrols nobody else');
      scene.made.host = host;
      scene.made.hostCredentials = new MachineCredentials({ issuer, clientId, privateJwk: host.privateJwk });
      return [
        `${hostName} = ${hostId}, client ${clientId}, generation ${generation}`,
        `a second use: ${again.message}`,
      ];
    },
  },
  {
    title: 'The owner registers an agent on that host and answers for it',
    async tell(scene) {
      const machines = await need(scene, 'owner').rpc(MachineService);
      const hostId = need(scene, 'host').enrolled.hostId;
      const { agent } = await machines.createAgent({ hostId, name: 'billing-reconciler', scopes: orderScopes });
      if (!agent) throw new Error('no agent came back');
      scene.made.agentId = agent.id;
      return [`${agent.name} = ${agent.id}, owner ${agent.ownerUserId}`];
    },
  },
];
