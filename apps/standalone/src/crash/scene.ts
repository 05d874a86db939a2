import type { JsonObject, JsonValue } from '@bufbuild/protobuf';
import { systemRuntime } from '@mono-auth/core/runtime';
import { issuerOf, platformSlug } from '@mono-auth/core/tenant-slug';
import { enrolPlainly, type PlainHost } from '../acceptance/enrol-plainly.ts';
import { makeKey, type PlainAnswer, PlainClient, postRpc, tokenOf } from '../acceptance/plain-client.ts';
import { Person } from '../tour/person.ts';

/** A call that got no answer, or one that says "come back": what it did is not known. */
export class Unanswered extends Error {
  override readonly name = 'Unanswered';
}

/** Refused before anything was done, because the store of nonces was lost: to be asked again with a new one. */
export class LostNonce extends Unanswered {}

export const operatorEmail = 'operator@mono.localhost';
export const operatorPassword = 'correct horse battery staple';
export const scopes = ['orders:read', 'orders:write'];
/** A service that has come back may still lose a connection or two of the time before. */
const patienceMs = 10_000;
const pauseMs = 50;
const pageItems = 200;

/** The tenant of the story with what every step needs, and those who act in it. */
export interface CrashScene {
  readonly baseUrl: string;
  readonly issuer: string;
  readonly slug: string;
  readonly owner: Person;
  /** Of the owner, minted before the first crash and used until after the last. */
  readonly ownerToken: string;
  readonly operatorToken: string;
  readonly resource: string;
  /** Is the resource, and may see any token. */
  readonly service: PlainClient;
  /** Tokens that were answered: they stay good. */
  readonly live: Set<string>;
  /** Tokens whose revocation was answered: they stay dead. */
  readonly dead: Set<string>;
}

/** Signs in to a tenant of the first start and to the platform, and registers the service. */
export async function openScene(baseUrl: string, slug: string): Promise<CrashScene> {
  const issuer = issuerOf(baseUrl, slug);
  const owner = await Person.signIn(baseUrl, slug, operatorEmail, operatorPassword);
  const operator = await Person.signIn(baseUrl, platformSlug, operatorEmail, operatorPassword);
  const [ownerToken, operatorToken] = [await owner.token(), await operator.token()];
  const resource = 'https://orders.example';
  const key = await makeKey();
  const { client } = await rpc(issuer, 'clients.v1.ClientService/CreateClient', ownerToken, {
    kind: 'CLIENT_KIND_SERVICE',
    name: 'orders',
    scopes: ['feed:follow', 'tokens:introspect'],
    resource,
    jwks: { keys: [key.publicJwk as JsonObject] },
    approve: true,
  });
  const service = new PlainClient(issuer, idOf(client), key);
  const live = new Set([ownerToken]);
  return {
    ...{ baseUrl, issuer, slug, owner, ownerToken, operatorToken, resource, service },
    ...{ live, dead: new Set<string>() },
  };
}

/**
 * Calls an RPC by plain HTTP.
 * @throws Unanswered when nobody can say whether it was done; Error when it was refused.
 */
export async function rpc(
  issuer: string,
  method: string,
  token: string | undefined,
  message: JsonValue,
): Promise<JsonObject> {
  return answered(() => postRpc(issuer, `monoauth.${method}`, message, token), method);
}

/** The body of an answer of 200. @throws as `rpc`. */
export async function answered(ask: () => Promise<PlainAnswer>, what: string): Promise<JsonObject> {
  const answer = await ask().catch((cause: unknown) => {
    throw new Unanswered(`${what}: ${cause}`, { cause });
  });
  const text = `${what}: ${answer.status} ${JSON.stringify(answer.body)}`;
  if (answer.status >= 500) throw new Unanswered(text);
  if (text.includes('use_new_nonce')) throw new LostNonce(text);
  if (answer.status !== 200) throw new Error(text);
  return answer.body;
}

/** Asks until it is answered: for what may be asked again. */
export async function patiently<T>(ask: () => Promise<T>): Promise<T> {
  const deadline = systemRuntime.monotonicMs() + patienceMs;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof Unanswered) || systemRuntime.monotonicMs() > deadline) throw error;
      await systemRuntime.sleep(pauseMs);
    }
  }
}

/** An RPC of the tenant's owner. */
export const ask = (scene: CrashScene, method: string, message: JsonValue): Promise<JsonObject> =>
  rpc(scene.issuer, method, scene.ownerToken, message);

/** Every item of a list, page by page. */
export async function listAll(
  issuer: string,
  token: string,
  method: string,
  field: string,
  filter: JsonObject = {},
): Promise<JsonObject[]> {
  const items: JsonObject[] = [];
  let pageToken = '';
  do {
    const message = { ...filter, pageSize: pageItems, pageToken };
    const page = await patiently(() => rpc(issuer, method, token, message));
    items.push(...((page[field] ?? []) as JsonObject[]));
    pageToken = (page.nextPageToken ?? '') as string;
  } while (pageToken !== '');
  return items;
}

export const list = (scene: CrashScene, method: string, field: string): Promise<JsonObject[]> =>
  listAll(scene.issuer, scene.ownerToken, method, field);

/** The tenant's events of one type. */
export async function eventsOf({ issuer, ownerToken }: CrashScene, type: string): Promise<JsonObject[]> {
  const listed = await listAll(issuer, ownerToken, 'audit.v1.AuditService/ListEvents', 'events', { type });
  return listed.map(({ event }) => event as JsonObject);
}

/** A workload with a key of its own. */
export async function makeMachine(scene: CrashScene, name: string): Promise<PlainClient> {
  const key = await makeKey();
  const { client } = await ask(scene, 'clients.v1.ClientService/CreateClient', {
    kind: 'CLIENT_KIND_MACHINE',
    ...{ name, scopes },
    jwks: { keys: [key.publicJwk as JsonObject] },
    approve: true,
  });
  return new PlainClient(scene.issuer, idOf(client), key);
}

export async function makeInvite(scene: CrashScene, hostName: string): Promise<{ id: string; token: string }> {
  const { invite, token } = await ask(scene, 'machines.v1.MachineService/CreateInvite', {
    ...{ hostName, scopes },
    audiences: [scene.resource],
  });
  return { id: idOf(invite), token: token as string };
}

/** A server that is just leaving or finding its store again may lose a challenge: then with another one. */
export async function makeHost(scene: CrashScene, hostName: string): Promise<PlainHost> {
  const { token } = await makeInvite(scene, hostName);
  return patiently(async () => {
    try {
      return await enrolPlainly(scene.issuer, token);
    } catch (error) {
      const { message } = error as Error;
      throw message.includes('use_new_nonce') ? new LostNonce(message) : error;
    }
  });
}

/** A host with an agent, and the agent's token. */
export async function makeAgent(scene: CrashScene, name: string): Promise<{ host: PlainHost; actorToken: string }> {
  const host = await makeHost(scene, name);
  const { agent } = await ask(scene, 'machines.v1.MachineService/CreateAgent', { hostId: host.hostId, name, scopes });
  return { host, actorToken: tokenOf(await host.client.clientCredentials({ agent: idOf(agent) })) };
}

/** Whether the service is told that the token is good. */
export async function isActive(scene: CrashScene, token: string): Promise<boolean> {
  const { active } = await patiently(() => answered(() => scene.service.introspect(token), 'introspect'));
  return active === true;
}

export function idOf(object: JsonValue | undefined): string {
  const { id } = (object ?? {}) as { id?: string };
  if (id) return id;
  throw new Error(`no id: ${JSON.stringify(object)}`);
}
