import { recordDenial } from '@mono-auth/audit';
import { textOf } from '@mono-auth/core/encoding';
import { asRefusal, notFound, Refusal } from '@mono-auth/core/errors';
import { type Call, callerWithoutToken } from '@mono-auth/core/principal';
import { parseSlug } from '@mono-auth/core/tenant-slug';
import type { TenantTx } from '@mono-auth/database';
import type { RevocationDeps } from '@mono-auth/revocation';
import { readSecurityPolicy, type Tenant, type TenantDirectory } from '@mono-auth/tenants';
import { type Ingress, toOAuthError } from '@mono-auth/transport';
import type { Client } from '../client.ts';
import { retireClient } from '../retire-client.ts';
import { principalOf, registerClient } from './register-client.ts';
import { readBearer } from './registration-credential.ts';
import { replaceRegistration, requireRegistered } from './replace-registration.ts';
import { type ShownCredentials, showClientMetadata } from './show-client-metadata.ts';

export interface RegistrationDeps {
  readonly revocation: RevocationDeps;
  readonly baseUrl: string;
  readonly tenants: Pick<TenantDirectory, 'bySlug'>;
  /** Never read from headers that a client can set. */
  originOf(request: Request): Pick<Ingress, 'requestId' | 'ip'>;
  /** Told of every refusal that goes out, with its cause. */
  onRefusal(refusal: Refusal): void;
}

/** Which registration a request speaks of; without an id it wants a new one. */
export interface RegistrationPath {
  readonly slug: string;
  readonly clientId?: string | undefined;
}

export type RegistrationEndpoint = (request: Request, path: RegistrationPath) => Promise<Response>;

/** Longest body, bytes: eight RSA keys of 4096 bits and every address at its longest. */
const bodyBytesMax = 64 * 1024;
const headers = { 'content-type': 'application/json', 'cache-control': 'no-store', pragma: 'no-cache' };

/** Dynamic registration (RFC 7591) and its management (RFC 7592), as `/oauth2/register` and `/oauth2/register/{client_id}`. */
export function registrationEndpoint(deps: RegistrationDeps): RegistrationEndpoint {
  return async (request, path) => {
    try {
      return await answer(deps, request, path);
    } catch (error) {
      const refusal = asRefusal(error);
      deps.onRefusal(refusal);
      // RFC 6750 §3: the challenge names the scheme, also where no token came.
      return toOAuthError(refusal, { challenge: 'Bearer' });
    }
  };
}

async function answer(deps: RegistrationDeps, request: Request, path: RegistrationPath): Promise<Response> {
  const tenant = await deps.tenants.bySlug(parseSlug(path.slug, 'tenant'));
  if (!tenant || tenant.status === 'provisioning') throw notFound('tenant');
  await requireSwitchedOn(deps, tenant);
  return dispatch(deps, tenant, request, path.clientId).catch(async (error: unknown) => {
    if (error instanceof Refusal && error.reason === 'not_authenticated') await record(deps, tenant, request, error);
    throw error;
  });
}

/** Evidence of who was refused, as for every other call that needs a credential. */
async function record(deps: RegistrationDeps, tenant: Tenant, request: Request, refusal: Refusal): Promise<void> {
  const { database, runtime } = deps.revocation;
  const ingress = { ...deps.originOf(request), tenant: { id: tenant.id, slug: tenant.slug } };
  const method = `${request.method} /oauth2/register`;
  await recordDenial(database, runtime, {
    ...{ ingress, caller: undefined, method, refusal },
    permission: 'a registration token',
  });
}

async function dispatch(
  deps: RegistrationDeps,
  tenant: Tenant,
  request: Request,
  clientId: string | undefined,
): Promise<Response> {
  const { method } = request;
  if (clientId === undefined) {
    if (method !== 'POST') throw notFound('page');
    return register(deps, tenant, request);
  }
  if (method === 'GET') return show(deps, tenant, { request, clientId });
  if (method === 'PUT') return replace(deps, tenant, { request, clientId });
  if (method === 'DELETE') return remove(deps, tenant, { request, clientId });
  throw notFound('page');
}

/** Where it is off there is nothing to be found, its existing clients included: their operators govern them. */
async function requireSwitchedOn({ revocation: { database } }: RegistrationDeps, tenant: Tenant): Promise<void> {
  const policy = await database.forTenant(tenant.id, readSecurityPolicy);
  if (!policy.dynamicRegistration || tenant.status !== 'active') throw notFound('page');
}

async function register(deps: RegistrationDeps, tenant: Tenant, request: Request): Promise<Response> {
  const { baseUrl, revocation } = deps;
  const token = readBearer(request.headers.get('authorization'));
  const json = await readBody(request);
  const call = callOf(deps, tenant, request);
  const made = await revocation.database.forTenant(tenant.id, (tx) =>
    registerClient(tx, call, { token, json, baseUrl }),
  );
  return answerWith(deps, tenant, made.client, made, 201);
}

interface Managed {
  readonly request: Request;
  readonly clientId: string;
}

async function show(deps: RegistrationDeps, tenant: Tenant, { request, clientId }: Managed): Promise<Response> {
  const token = readBearer(request.headers.get('authorization'));
  const client = await deps.revocation.database.forTenant(tenant.id, (tx) =>
    requireRegistered(tx, { id: clientId, token }),
  );
  return answerWith(deps, tenant, client, { registrationToken: token }, 200);
}

async function replace(deps: RegistrationDeps, tenant: Tenant, { request, clientId }: Managed): Promise<Response> {
  const token = readBearer(request.headers.get('authorization'));
  const json = await readBody(request);
  const work = async (tx: TenantTx) => {
    const { id } = await requireRegistered(tx, { id: clientId, token });
    return replaceRegistration(tx, callOf(deps, tenant, request, id), { id, json, baseUrl: deps.baseUrl });
  };
  const { client, secret } = await deps.revocation.database.forTenant(tenant.id, work);
  return answerWith(deps, tenant, client, { registrationToken: token, secret }, 200);
}

/** RFC 7592 §2.3: its tokens, grants and secrets end with it, and the registration access token too. */
async function remove(deps: RegistrationDeps, tenant: Tenant, { request, clientId }: Managed): Promise<Response> {
  const token = readBearer(request.headers.get('authorization'));
  const { id } = await deps.revocation.database.forTenant(tenant.id, (tx) =>
    requireRegistered(tx, { id: clientId, token }),
  );
  const reason = 'the client has ended its registration';
  await retireClient(deps.revocation, callOf(deps, tenant, request, id), { id, reason });
  return new Response(null, { status: 204, headers: { 'cache-control': 'no-store', pragma: 'no-cache' } });
}

function answerWith(
  { baseUrl }: RegistrationDeps,
  { slug }: Tenant,
  client: Client,
  credentials: ShownCredentials,
  status: number,
): Response {
  const shown = showClientMetadata(client, credentials, { baseUrl, slug });
  return new Response(JSON.stringify(shown), { status, headers });
}

/** Whoever registers is nobody yet; whoever manages its registration is that client. */
function callOf(deps: RegistrationDeps, tenant: Tenant, request: Request, id?: Client['id']): Call {
  const { runtime } = deps.revocation;
  const { requestId, ip } = deps.originOf(request);
  const principal = id ? principalOf(id) : ('anonymous:' as const);
  return { runtime, caller: callerWithoutToken({ principal, clientId: id, tenant, requestId, ip }) };
}

/** @throws Refusal `invalid_client_metadata` for another media type; `too_large`. */
async function readBody(request: Request): Promise<string> {
  const mediaType = request.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase();
  if (mediaType !== 'application/json') {
    throw new Refusal('invalid_client_metadata', 'content-type: application/json');
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body ?? []) {
    size += chunk.length;
    if (size > bodyBytesMax) throw new Refusal('too_large', `the body is longer than ${bodyBytesMax} bytes`);
    chunks.push(chunk);
  }
  try {
    return textOf(Buffer.concat(chunks));
  } catch (cause) {
    throw new Refusal('invalid_client_metadata', 'the body is not UTF-8', { cause });
  }
}
