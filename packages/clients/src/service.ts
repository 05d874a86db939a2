import type { ServiceImpl } from '@connectrpc/connect';
import { notFound } from '@mono-auth/core/errors';
import { parseId } from '@mono-auth/core/ids';
import { pageItemsDefault } from '@mono-auth/core/limits';
import type { Call } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import type { ClientService } from '@mono-auth/proto/monoauth/clients/v1/clients';
import type { RevocationDeps } from '@mono-auth/revocation';
import { callOf } from '@mono-auth/transport';
import { approveClient } from './approve-client.ts';
import type { Client } from './client.ts';
import { createClient } from './create-client.ts';
import { registrationTokenMethods } from './registration-tokens/registration-token-methods.ts';
import { rejectClient } from './reject-client.ts';
import { resourceMethods } from './resources/resource-methods.ts';
import { resumeClient } from './resume-client.ts';
import { retireClient } from './retire-client.ts';
import { secretMethods } from './secrets/secret-methods.ts';
import { selectLivingSecrets } from './store/secrets.ts';
import { selectClient, selectClients } from './store.ts';
import { submitClient } from './submit-client.ts';
import { suspendClient } from './suspend-client.ts';
import { clientToProto, environmentFromProto, kindFromProto, manifestFromProto } from './to-proto.ts';
import { updateClient } from './update-client.ts';

export interface ClientServiceDeps {
  readonly revocation: RevocationDeps;
  readonly baseUrl: string;
}

type Methods = Partial<ServiceImpl<typeof ClientService>>;

export function clientService(deps: ClientServiceDeps) {
  return {
    ...readMethods(deps),
    ...manifestMethods(deps),
    ...lifeMethods(deps),
    ...secretMethods(deps),
    ...resourceMethods(deps),
    ...registrationTokenMethods(deps),
  } satisfies ServiceImpl<typeof ClientService>;
}

function readMethods({ revocation: { database, runtime } }: ClientServiceDeps) {
  return {
    async getClient(request, context) {
      const { caller } = callOf(runtime, context);
      const id = parseId('cli', request.id, 'id');
      return database.forTenant(caller.tenantId, async (tx) => {
        const client = await selectClient(tx, id);
        if (!client) throw notFound('client');
        return { client: clientToProto(client, await selectLivingSecrets(tx, [id], runtime.nowMs())) };
      });
    },
    async listClients(request, context) {
      const { caller } = callOf(runtime, context);
      const after = request.pageToken ? parseId('cli', request.pageToken, 'page_token') : undefined;
      const size = request.pageSize || pageItemsDefault;
      return database.forTenant(caller.tenantId, async (tx) => {
        // One more than the page: whether there is a next one.
        const found = await selectClients(tx, after, size + 1);
        const page = found.slice(0, size);
        const ids = page.map(({ id }) => id);
        const secrets = await selectLivingSecrets(tx, ids, runtime.nowMs());
        const nextPageToken = found.length > size ? (page.at(-1)?.id ?? '') : '';
        return { clients: page.map((client) => clientToProto(client, secrets)), nextPageToken };
      });
    },
  } satisfies Methods;
}

/** Runs a change in one transaction and answers the client as it then is. */
async function change(
  { revocation: { database } }: ClientServiceDeps,
  call: Call,
  work: (tx: TenantTx) => Promise<Client>,
) {
  return database.forTenant(call.caller.tenantId, async (tx) => {
    const client = await work(tx);
    const secrets = await selectLivingSecrets(tx, [client.id], call.runtime.nowMs());
    return { client: clientToProto(client, secrets) };
  });
}

function manifestMethods(deps: ClientServiceDeps) {
  const { runtime, database } = deps.revocation;
  const { baseUrl } = deps;
  return {
    async createClient(request, context) {
      const call = callOf(runtime, context);
      const { name, scopes, audiences, jwks, product, submit, approve } = request;
      const input = {
        ...{ name, scopes, audiences, jwks, product, submit, approve, baseUrl },
        kind: kindFromProto(request.kind),
        manifest: request.manifest && manifestFromProto(request.manifest),
        resource: request.resource || undefined,
        environment: environmentFromProto(request.environment),
        ownerUserId: request.ownerUserId ? parseId('usr', request.ownerUserId, 'owner_user_id') : undefined,
        idempotencyKey: request.idempotencyKey || undefined,
      };
      return database.forTenant(call.caller.tenantId, async (tx) => {
        const { client, secret } = await createClient(tx, call, input);
        const secrets = await selectLivingSecrets(tx, [client.id], runtime.nowMs());
        return { client: clientToProto(client, secrets), clientSecret: secret ?? '' };
      });
    },
    async submitClient(request, context) {
      const call = callOf(runtime, context);
      const input = { id: parseId('cli', request.id, 'id'), proposedHash: request.proposedHash || undefined };
      return change(deps, call, (tx) => submitClient(tx, call, input));
    },
    async approveClient(request, context) {
      const call = callOf(runtime, context);
      const input = { id: parseId('cli', request.id, 'id'), manifestHash: request.manifestHash, baseUrl };
      return change(deps, call, (tx) => approveClient(tx, call, input));
    },
    async rejectClient(request, context) {
      const call = callOf(runtime, context);
      const input = { id: parseId('cli', request.id, 'id'), reason: request.reason };
      return change(deps, call, (tx) => rejectClient(tx, call, input));
    },
    async updateClient(request, context) {
      const call = callOf(runtime, context);
      const input = {
        id: parseId('cli', request.id, 'id'),
        version: Number(request.version),
        // The contract requires it.
        manifest: request.manifest ? manifestFromProto(request.manifest) : {},
        submit: request.submit,
        ownerUserId: request.ownerUserId ? parseId('usr', request.ownerUserId, 'owner_user_id') : undefined,
        baseUrl,
      };
      return change(deps, call, (tx) => updateClient(tx, call, input));
    },
  } satisfies Methods;
}

function lifeMethods(deps: ClientServiceDeps) {
  const { runtime, feed } = deps.revocation;
  return {
    async suspendClient(request, context) {
      const call = callOf(runtime, context);
      const input = { id: parseId('cli', request.id, 'id'), reason: request.reason };
      return change(deps, call, (tx) => suspendClient(tx, call, feed, input));
    },
    async resumeClient(request, context) {
      const call = callOf(runtime, context);
      const id = parseId('cli', request.id, 'id');
      return change(deps, call, (tx) => resumeClient(tx, call, feed, id));
    },
    async retireClient(request, context) {
      const call = callOf(runtime, context);
      const input = { id: parseId('cli', request.id, 'id'), reason: request.reason };
      return { client: clientToProto(await retireClient(deps.revocation, call, input), []) };
    },
  } satisfies Methods;
}
