import type { JsonObject } from '@bufbuild/protobuf';
import type { AgentId } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import { enrolPlainly, type PlainHost } from '../../enrol-plainly.ts';
import { PlainClient } from '../../plain-client.ts';
import { ordersApi, type RegisteredClient, registerApp, registerMachine, type SceneDatabase } from '../oauth-scene.ts';
import { send } from './ask.ts';
import { type ExchangeParams, type Exchanger, exchangeAsk } from './exchange-row.ts';
import { type Lab, openLab } from './lab.ts';

export const accessToken = 'urn:ietf:params:oauth:token-type:access_token';
export const orderScopes = 'orders:read orders:write';
export const serviceApis = ['billing', 'archive', 'index', 'mail'].map((name) => `https://${name}.example.test`);
const exchangeGrant = 'urn:ietf:params:oauth:grant-type:token-exchange';

/** Everybody who takes part in exchanges, in one tenant. */
export interface ExchangeLab extends Lab {
  readonly host: Exchanger & PlainHost;
  readonly otherHost: Exchanger & PlainHost;
  /** The owner's agent on `host`. */
  readonly agent: string;
  /** Each is a resource, in the order of `serviceApis`. */
  readonly services: readonly Exchanger[];
  readonly exchanger: Exchanger;
  readonly impersonator: Exchanger;
  /** May introspect any token. */
  readonly viewer: RegisteredClient;
  /** A person's token that is meant for the issuer. */
  subject(change?: { audience?: string; scope?: string; use?: 'gateway'; may_act?: string }): Promise<string>;
  actor(agent?: string, host?: PlainHost): Promise<string>;
  newAgent(on?: PlainHost): Promise<AgentId>;
  /** One that belongs to somebody else. */
  strangersAgent(): Promise<AgentId>;
  allow(agent: string, terms?: JsonObject): Promise<string>;
  /** A granted exchange. @throws Error with the refusal. */
  exchange(by: Exchanger, params: ExchangeParams): Promise<string>;
}

let agents = 0;

/** `giveAway` gives an agent to somebody who is not in the story: no RPC does so yet. */
export async function openExchangeLab(
  db: SceneDatabase,
  kek: Uint8Array,
  giveAway: (agent: AgentId) => Promise<unknown>,
): Promise<ExchangeLab> {
  const lab = await openLab(db, kek);
  const { scene } = lab;
  const { issuer, owner } = scene;
  const services: Exchanger[] = [];
  for (const resource of serviceApis) services.push(await registerService(lab, resource));
  const audiences = [ordersApi, ...serviceApis];
  const host = await enrolHost(lab, 'lab-1', audiences);
  const newAgent = async ({ hostId }: PlainHost = host) => {
    const named = { hostId, name: `lab-agent-${++agents}`, scopes: orderScopes.split(' ') };
    return ((await scene.rpc('machines.v1.MachineService/CreateAgent', named)).agent as { id: AgentId }).id;
  };
  const grantTypes = ['client_credentials', exchangeGrant];
  const trusted = {
    scopes: [...orderScopes.split(' '), 'tokens:impersonate'],
    audiences: [...audiences, issuer],
    grantTypes,
  };
  const agent = await newAgent();
  return {
    ...lab,
    ...{ host, services, agent, newAgent },
    otherHost: await enrolHost(lab, 'lab-2', audiences),
    exchanger: await registerMachine(scene, { grantTypes, audiences }),
    impersonator: await registerMachine(scene, trusted),
    viewer: await registerMachine(scene, { scopes: ['tokens:introspect'] }),
    subject: (change = {}) => owner.token({ audience: issuer, scope: orderScopes, ...change }),
    async actor(of = agent, { client } = host) {
      const { status, body } = await client.clientCredentials({ agent: of });
      if (typeof body.access_token !== 'string') throw new Error(`no actor token: ${status} ${JSON.stringify(body)}`);
      return body.access_token;
    },
    async strangersAgent() {
      const id = await newAgent();
      await giveAway(id);
      return id;
    },
    async allow(agentId, terms = {}) {
      const expiresAt = new Date(systemRuntime.nowMs() + 3_600_000).toISOString();
      const asked = { agentId, scopes: orderScopes.split(' '), expiresAt, ...terms };
      const { consent } = await scene.rpc('delegation.v1.DelegationService/AllowAgent', asked);
      return (consent as { id: string }).id;
    },
    async exchange(by, params) {
      const { status, body, text } = await send(await exchangeAsk(issuer, by, params));
      if (typeof body.access_token !== 'string') throw new Error(`no token: ${status} ${text}`);
      return body.access_token;
    },
  };
}

async function enrolHost({ scene }: Lab, hostName: string, audiences: string[]): Promise<Exchanger & PlainHost> {
  const invite = { hostName, scopes: [...orderScopes.split(' '), 'tokens:impersonate'], audiences };
  const { token } = await scene.rpc('machines.v1.MachineService/CreateInvite', invite);
  const host = await enrolPlainly(scene.issuer, String(token));
  return { ...host, id: host.client.id, assertion: () => host.client.assertion() };
}

/** A service that is a resource of its own, and may ask for tokens for every other one. */
async function registerService({ scene }: Lab, resource: string): Promise<Exchanger> {
  const manifest = {
    ...{
      scopes: orderScopes.split(' '),
      audiences: [ordersApi, ...serviceApis],
      grantTypes: ['client_credentials', exchangeGrant],
    },
    ...{ redirectUris: [], authMethod: 'AUTH_METHOD_PRIVATE_KEY_JWT' },
  };
  const { id, key } = await registerApp(scene, manifest, { kind: 'CLIENT_KIND_SERVICE', resource });
  const client = new PlainClient(scene.issuer, id, key);
  return { id, assertion: () => client.assertion() };
}
