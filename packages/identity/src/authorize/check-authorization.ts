import { Refusal } from '@mono-auth/core/errors';
import type { IdentityPool } from '@mono-auth/database';
import type { Tenant } from '@mono-auth/tenants';
import type { AppClient, Resource } from './app-client.ts';
import { type AuthorizationRequest, parseAuthorization, stateOf } from './authorization-request.ts';
import { isRegisteredRedirectUri } from './redirect-uri.ts';
import type { RequestParams } from './request-params.ts';
import { hasDefaultResource, isRegistered, selectAppClient, selectResources } from './store.ts';

/** Where an answer may go: nothing is sent there before both are known to belong together. */
export interface AnswerTarget {
  readonly client: AppClient;
  readonly redirectUri: string;
}

/** A request that passed the gate. */
export interface CheckedAuthorization extends AnswerTarget, AuthorizationRequest {
  readonly state: string | undefined;
  /** The resource that tokens will be for; empty: whatever the tenant gives by default. */
  readonly resources: readonly string[];
  /** The registered resources among `resources`. */
  readonly known: readonly Resource[];
}

/**
 * RFC 6749 §4.1.2.1: with an unknown client, or a redirect URI that is not its own, the person is told and nobody is
 * redirected.
 * @throws Refusal `invalid_request`.
 */
export async function findAnswerTarget(pool: IdentityPool, { single }: RequestParams): Promise<AnswerTarget> {
  const clientId = single.get('client_id');
  if (clientId === undefined) throw new Refusal('invalid_request', 'client_id: missing');
  const client = await selectAppClient(pool, clientId);
  if (!client) throw new Refusal('invalid_request', 'client_id: there is no such application here');
  const redirectUri = single.get('redirect_uri');
  if (redirectUri === undefined) throw new Refusal('invalid_request', 'redirect_uri: missing');
  if (!isRegisteredRedirectUri(client.redirectUris, redirectUri)) {
    throw new Refusal('invalid_request', 'redirect_uri: not one of this application');
  }
  return { client, redirectUri };
}

/** @throws Refusal, to be told to the client at its redirect URI. */
export async function checkAuthorization(
  pool: IdentityPool,
  tenant: Pick<Tenant, 'issuer'>,
  params: RequestParams,
  target: AnswerTarget,
): Promise<CheckedAuthorization> {
  const { client } = target;
  if (params.repeated !== undefined) throw new Refusal('invalid_request', `${params.repeated}: is there twice`);
  const state = stateOf(params);
  const request = parseAuthorization(params, client);
  const rpc = `${tenant.issuer}/rpc`;
  const known = await selectResources(pool, client.audiences);
  for (const identifier of request.resources) {
    const environment =
      identifier === rpc ? 'production' : known.find((one) => one.identifier === identifier)?.environment;
    if (environment !== client.environment) {
      throw new Refusal('invalid_target', 'resource: there is no such resource in the environment of this client');
    }
  }
  const own = known.filter(({ environment }) => environment === client.environment);
  const resources = request.resources.length > 0 ? request.resources : defaultResource(client, own, rpc);
  if (resources.length === 0) await requireReachable(pool, client);
  return {
    ...target,
    ...request,
    state,
    resources,
    known: own.filter(({ identifier }) => resources.includes(identifier)),
  };
}

/** The tenant's default resource where the client may have it, else the one that the client can ask for at all. */
function defaultResource(client: AppClient, own: readonly Resource[], rpc: string): readonly string[] {
  const named = own.find(({ isDefault }) => isDefault);
  if (named) return [named.identifier];
  const reachable = [
    ...own.map(({ identifier }) => identifier),
    ...(client.environment === 'production' ? client.audiences.filter((audience) => audience === rpc) : []),
  ];
  return reachable.length === 1 ? reachable : [];
}

/**
 * Where no resource can be named yet, the token endpoint chooses one when the code is redeemed. That there will be one is
 * known now, and nobody is asked to allow what could not be had: in production the management API, or what nobody has
 * registered; elsewhere only the default of the environment, for a client that was approved for nothing else.
 * @throws Refusal `invalid_target`.
 */
async function requireReachable(pool: IdentityPool, { environment, audiences }: AppClient): Promise<void> {
  const [first, ...others] = audiences;
  const reachable =
    environment === 'production'
      ? first === undefined || others.length > 0 || !(await isRegistered(pool, first))
      : first === undefined && (await hasDefaultResource(pool, environment));
  if (!reachable) {
    throw new Refusal('invalid_target', 'resource: missing, and the environment of this client has none to be meant');
  }
}
