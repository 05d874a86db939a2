import type { ServiceImpl } from '@connectrpc/connect';
import { notFound } from '@mono-auth/core/errors';
import { type GrantId, parseId } from '@mono-auth/core/ids';
import { pageItemsDefault } from '@mono-auth/core/limits';
import type { Call } from '@mono-auth/core/principal';
import type { Runtime } from '@mono-auth/core/runtime';
import type { Database, TenantTx } from '@mono-auth/database';
import type { Feed } from '@mono-auth/feed';
import type { FederationService } from '@mono-auth/proto/monoauth/federation/v1/federation';
import { callOf } from '@mono-auth/transport';
import { linkSubject } from './link-subject.ts';
import { removeIssuer } from './remove-issuer.ts';
import { removeResourceServer } from './remove-resource-server.ts';
import { resumeIssuer } from './resume-issuer.ts';
import { isLivingIssuer, selectIssuers } from './store/issuers.ts';
import { selectResourceServers } from './store/resource-servers.ts';
import { selectSubjects } from './store/subjects.ts';
import { suspendIssuer } from './suspend-issuer.ts';
import {
  boundsFromProto,
  issuerToProto,
  principalFromProto,
  profileFromProto,
  resourceServerToProto,
  subjectToProto,
} from './to-proto.ts';
import { type Ground, trustIssuer } from './trust-issuer.ts';
import { trustResourceServer } from './trust-resource-server.ts';
import type { TrustedIssuer } from './trusted-issuer.ts';
import { unlinkSubject } from './unlink-subject.ts';
import { updateIssuer } from './update-issuer.ts';

export interface FederationDeps extends Ground {
  readonly database: Database;
  readonly runtime: Runtime;
  readonly feed: Pick<Feed, 'append'>;
}

type Methods = Partial<ServiceImpl<typeof FederationService>>;

export function federationService(deps: FederationDeps) {
  return {
    ...issuerMethods(deps),
    ...subjectMethods(deps),
    ...resourceServerMethods(deps),
  } satisfies ServiceImpl<typeof FederationService>;
}

/** One more than the page is read: whether there is a next one. */
async function pageOf<T extends { readonly id: GrantId }>(
  { pageSize, pageToken }: { readonly pageSize: number; readonly pageToken: string },
  read: (after: GrantId | undefined, limit: number) => Promise<T[]>,
): Promise<{ readonly page: T[]; readonly nextPageToken: string }> {
  const size = pageSize || pageItemsDefault;
  const found = await read(pageToken ? parseId('gra', pageToken, 'page_token') : undefined, size + 1);
  const page = found.slice(0, size);
  return { page, nextPageToken: found.length > size ? (page.at(-1)?.id ?? '') : '' };
}

function issuerMethods(deps: FederationDeps) {
  const { database, runtime, feed } = deps;
  const change = async (call: Call, work: (tx: TenantTx) => Promise<TrustedIssuer>) => ({
    issuer: issuerToProto(await database.forTenant(call.caller.tenantId, work)),
  });
  return {
    async trustIssuer(request, context) {
      const call = callOf(runtime, context);
      const input = {
        ...boundsFromProto(request),
        ...{ issuer: request.issuer, multiTenant: request.multiTenant },
        idempotencyKey: request.idempotencyKey || undefined,
      };
      return change(call, (tx) => trustIssuer(tx, call, input, deps));
    },
    async listIssuers(request, context) {
      const { caller } = callOf(runtime, context);
      const { page, nextPageToken } = await pageOf(request, (after, limit) =>
        database.forTenant(caller.tenantId, (tx) => selectIssuers(tx, after, limit)),
      );
      return { issuers: page.map(issuerToProto), nextPageToken };
    },
    async updateIssuer(request, context) {
      const call = callOf(runtime, context);
      const input = {
        ...boundsFromProto(request),
        ...{ id: parseId('gra', request.id, 'id'), version: Number(request.version) },
      };
      return change(call, (tx) => updateIssuer(tx, call, feed, input, deps));
    },
    async suspendIssuer({ id, reason }, context) {
      const call = callOf(runtime, context);
      const input = { id: parseId('gra', id, 'id'), reason };
      return change(call, (tx) => suspendIssuer(tx, call, feed, input));
    },
    async resumeIssuer({ id }, context) {
      const call = callOf(runtime, context);
      return change(call, (tx) => resumeIssuer(tx, call, parseId('gra', id, 'id')));
    },
    async removeIssuer({ id, reason }, context) {
      const call = callOf(runtime, context);
      const input = { id: parseId('gra', id, 'id'), reason };
      return change(call, (tx) => removeIssuer(tx, call, feed, input));
    },
  } satisfies Methods;
}

function subjectMethods({ database, runtime, feed }: FederationDeps) {
  return {
    async linkSubject(request, context) {
      const call = callOf(runtime, context);
      const input = {
        issuerId: parseId('gra', request.issuerId, 'issuer_id'),
        ...{ subject: request.subject, subjectTenant: request.subjectTenant },
        principal: principalFromProto(request),
        idempotencyKey: request.idempotencyKey || undefined,
      };
      const subject = await database.forTenant(call.caller.tenantId, (tx) => linkSubject(tx, call, input));
      return { subject: subjectToProto(subject) };
    },
    async listSubjects(request, context) {
      const { caller } = callOf(runtime, context);
      const issuerId = parseId('gra', request.issuerId, 'issuer_id');
      const { page, nextPageToken } = await pageOf(request, (after, limit) =>
        database.forTenant(caller.tenantId, async (tx) => {
          if (!(await isLivingIssuer(tx, issuerId))) throw notFound('issuer');
          return selectSubjects(tx, issuerId, after, limit);
        }),
      );
      return { subjects: page.map(subjectToProto), nextPageToken };
    },
    async unlinkSubject({ id }, context) {
      const call = callOf(runtime, context);
      const link = parseId('gra', id, 'id');
      const subject = await database.forTenant(call.caller.tenantId, (tx) => unlinkSubject(tx, call, feed, link));
      return { subject: subjectToProto(subject) };
    },
  } satisfies Methods;
}

function resourceServerMethods(deps: FederationDeps) {
  const { database, runtime } = deps;
  return {
    async trustResourceServer(request, context) {
      const call = callOf(runtime, context);
      const { issuer, name, remoteClientId, resources, scopes } = request;
      const input = {
        ...{ issuer, name, remoteClientId, resources, scopes },
        clientId: parseId('cli', request.clientId, 'client_id'),
        profile: profileFromProto(request.profile),
        idempotencyKey: request.idempotencyKey || undefined,
      };
      const trust = await database.forTenant(call.caller.tenantId, (tx) => trustResourceServer(tx, call, input, deps));
      return { resourceServer: resourceServerToProto(trust) };
    },
    async listResourceServers(request, context) {
      const { caller } = callOf(runtime, context);
      const { page, nextPageToken } = await pageOf(request, (after, limit) =>
        database.forTenant(caller.tenantId, (tx) => selectResourceServers(tx, after, limit)),
      );
      return { resourceServers: page.map(resourceServerToProto), nextPageToken };
    },
    async removeResourceServer({ id }, context) {
      const call = callOf(runtime, context);
      const trustId = parseId('gra', id, 'id');
      const trust = await database.forTenant(call.caller.tenantId, (tx) => removeResourceServer(tx, call, trustId));
      return { resourceServer: resourceServerToProto(trust) };
    },
  } satisfies Methods;
}
