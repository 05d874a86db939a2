import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { ServiceImpl } from '@connectrpc/connect';
import { notFound, Refusal } from '@mono-auth/core/errors';
import { parseId } from '@mono-auth/core/ids';
import { pageItemsDefault } from '@mono-auth/core/limits';
import type { Runtime } from '@mono-auth/core/runtime';
import { issuerOf, parseSlug } from '@mono-auth/core/tenant-slug';
import type { KeyAlg } from '@mono-auth/keys';
import type { ReceiptSchema } from '@mono-auth/proto/monoauth/revocation/v1/revocation';
import {
  TenantSchema,
  type TenantService,
  MetadataDocumentClients as WireMetadataClients,
  type SecurityPolicy as WirePolicy,
  TenantStatus as WireStatus,
} from '@mono-auth/proto/monoauth/tenants/v1/tenants';
import { callOf } from '@mono-auth/transport';
import { keyToProto, modeOf, purposeOf, rotationToProto } from './key-to-proto.ts';
import { type ProvisionDeps, provisionTenant } from './provision-tenant.ts';
import { readTenant } from './read-tenant.ts';
import { type RotationDeps, rotateSigningKey } from './rotate-signing-key.ts';
import { type MetadataDocumentClients, policyOf, type VersionedPolicy } from './security-policy.ts';
import { selectSecurityPolicy, selectTenants } from './store.ts';
import type { TenantRecord, TenantStatus } from './tenant.ts';
import { updateSecurityPolicy } from './update-security-policy.ts';

const wireStatus: Record<TenantStatus, WireStatus> = {
  provisioning: WireStatus.PROVISIONING,
  active: WireStatus.ACTIVE,
  suspended: WireStatus.SUSPENDED,
};

const wireMetadataClients: Record<MetadataDocumentClients, WireMetadataClients> = {
  disabled: WireMetadataClients.DISABLED,
  review: WireMetadataClients.REVIEW,
  allowed: WireMetadataClients.ALLOWED,
};

export interface TenantServiceDeps extends ProvisionDeps {
  readonly runtime: Runtime;
  readonly rotation: RotationDeps<MessageInitShape<typeof ReceiptSchema>>;
}

export function tenantService(deps: TenantServiceDeps) {
  const toProto = (tenant: TenantRecord) =>
    create(TenantSchema, {
      id: tenant.id,
      slug: tenant.slug,
      displayName: tenant.displayName,
      issuer: issuerOf(deps.baseUrl, tenant.slug),
      status: wireStatus[tenant.status],
      epoch: BigInt(tenant.epoch),
      createdAt: timestampFromMs(tenant.createdAtMs),
    });

  return {
    ...keyMethods(deps),
    async resolve(request) {
      const tenant = await deps.directory.bySlug(parseSlug(request.slug, 'slug'));
      if (!tenant) throw notFound('tenant');
      return { tenant: toProto(tenant) };
    },
    async provisionTenant(request, context) {
      const { caller, runtime } = callOf(deps.runtime, context);
      const call = { runtime, caller, requestId: caller.requestId };
      const { tenant, steps } = await provisionTenant(deps, call, {
        slug: request.slug,
        displayName: request.displayName,
        ownerEmail: request.ownerEmail,
        ownerPassword: request.ownerPassword,
        idempotencyKey: request.idempotencyKey || undefined,
      });
      return { tenant: toProto(tenant), steps: steps.map(({ step, durationMs }) => ({ step, durationMs })) };
    },
    async getTenant(_request, context) {
      const { caller } = callOf(deps.runtime, context);
      return { tenant: toProto(await deps.database.forTenant(caller.tenantId, readTenant)) };
    },
    async listTenants(request) {
      const after = request.pageToken ? parseId('ten', request.pageToken, 'page_token') : undefined;
      const size = request.pageSize || pageItemsDefault;
      const tenants = await deps.database.forPlatform('list tenants', (tx) => selectTenants(tx, after, size));
      const last = tenants.at(-1)?.id;
      return { tenants: tenants.map(toProto), nextPageToken: tenants.length === size ? (last ?? '') : '' };
    },
    async getSecurityPolicy(_request, context) {
      const { caller } = callOf(deps.runtime, context);
      return policyToProto(policyOf(await deps.database.forTenant(caller.tenantId, selectSecurityPolicy)));
    },
    async updateSecurityPolicy({ policy, version }, context) {
      const call = callOf(deps.runtime, context);
      const change = { policy: policyFromProto(policy), version: Number(version) };
      return policyToProto(
        await deps.database.forTenant(call.caller.tenantId, (tx) => updateSecurityPolicy(tx, call, change)),
      );
    },
  } satisfies ServiceImpl<typeof TenantService>;
}

function keyMethods({ runtime, rotation: deps }: TenantServiceDeps) {
  return {
    async rotateSigningKey(request, context) {
      const call = callOf(runtime, context);
      const rotation = await rotateSigningKey(deps, call, {
        purpose: purposeOf(request.purpose),
        alg: (request.alg as KeyAlg | '') || undefined,
        mode: modeOf(request.mode),
        reason: request.reason,
        idempotencyKey: request.idempotencyKey || undefined,
      });
      const { revocationId } = rotation;
      const wait = { waitMs: request.waitMs, signal: context.signal };
      const receipt = revocationId && (await deps.ending.receipt(call.caller.tenantId, revocationId, wait));
      return { rotation: rotationToProto(rotation), ...(receipt && { receipt }) };
    },
    async listSigningKeys(request, context) {
      const { caller } = callOf(runtime, context);
      const before = request.pageToken ? parseId('key', request.pageToken, 'page_token') : undefined;
      const limit = request.pageSize || pageItemsDefault;
      const keys = await deps.database.forTenant(caller.tenantId, (tx) => deps.keys.list(tx, { before, limit }));
      return { keys: keys.map(keyToProto), nextPageToken: keys.length < limit ? '' : (keys.at(-1)?.kid ?? '') };
    },
  } satisfies Partial<ServiceImpl<typeof TenantService>>;
}

function policyToProto({ policy, version }: VersionedPolicy) {
  const metadataDocumentClients = wireMetadataClients[policy.metadataDocumentClients];
  return { policy: { ...policy, metadataDocumentClients }, version: BigInt(version) };
}

/** Every member has a value of its own: a policy is sent whole. */
function policyFromProto(policy: WirePolicy | undefined): VersionedPolicy['policy'] {
  const metadataDocumentClients = (['disabled', 'review', 'allowed'] as const).find(
    (name) => wireMetadataClients[name] === policy?.metadataDocumentClients,
  );
  if (!policy || !metadataDocumentClients) {
    throw new Refusal('invalid_request', 'policy.metadata_document_clients: DISABLED, REVIEW or ALLOWED');
  }
  const { $typeName, $unknown, ...sent } = policy;
  return { ...sent, metadataDocumentClients };
}
