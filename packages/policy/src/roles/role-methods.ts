import { create } from '@bufbuild/protobuf';
import { timestampFromMs, timestampMs } from '@bufbuild/protobuf/wkt';
import type { ServiceImpl } from '@connectrpc/connect';
import { notFound } from '@mono-auth/core/errors';
import { parseId } from '@mono-auth/core/ids';
import { pageItemsDefault } from '@mono-auth/core/limits';
import { type PolicyService, ProductSchema, RoleAssignmentSchema } from '@mono-auth/proto/monoauth/policy/v1/policy';
import { callOf } from '@mono-auth/transport';
import { selectAssignments } from '../store/assignments.ts';
import { selectProduct, selectProducts } from '../store/products.ts';
import { assignRole } from './assign-role.ts';
import type { Product } from './product.ts';
import { registerProduct } from './register-product.ts';
import { removeRole } from './remove-role.ts';
import { type RoleAssignment, readHolder } from './role-assignment.ts';
import type { RoleDeps } from './role-deps.ts';

/** The RPCs about products and their roles, as a part of the policy service. */
export function roleMethods(deps: RoleDeps) {
  const { database, runtime } = deps;
  return {
    async registerProduct(request, context) {
      const call = callOf(runtime, context);
      const { name, displayName, roles, resources, basedOn, idempotencyKey } = request;
      const input = {
        ...{ name, displayName, roles, resources },
        ...{ basedOn: Number(basedOn), idempotencyKey: idempotencyKey || undefined },
      };
      const product = await database.forTenant(call.caller.tenantId, (tx) => registerProduct(deps, tx, call, input));
      return { product: productToProto(product) };
    },
    async getProduct({ name }, context) {
      const { caller } = callOf(runtime, context);
      const product = await database.forTenant(caller.tenantId, (tx) => selectProduct(tx, name));
      if (!product) throw notFound('product');
      return { product: productToProto(product) };
    },
    async listProducts(request, context) {
      const { caller } = callOf(runtime, context);
      const size = request.pageSize || pageItemsDefault;
      const after = request.pageToken || undefined;
      // One more than the page: whether there is a next one.
      const found = await database.forTenant(caller.tenantId, (tx) => selectProducts(tx, after, size + 1));
      const page = found.slice(0, size);
      const nextPageToken = found.length > size ? (page.at(-1)?.name ?? '') : '';
      return { products: page.map(productToProto), nextPageToken };
    },
    async assignRole(request, context) {
      const call = callOf(runtime, context);
      const { product, role, principal, resource, expiresAt, idempotencyKey } = request;
      const input = {
        ...{ product, role, principal, resource },
        ...{ expiresAtMs: expiresAt && timestampMs(expiresAt), idempotencyKey: idempotencyKey || undefined },
      };
      const assignment = await database.forTenant(call.caller.tenantId, (tx) => assignRole(deps, tx, call, input));
      return { assignment: assignmentToProto(assignment) };
    },
    async removeRole(request, context) {
      const call = callOf(runtime, context);
      const id = parseId('gra', request.id, 'id');
      const assignment = await database.forTenant(call.caller.tenantId, (tx) => removeRole(deps, tx, call, id));
      return { assignment: assignmentToProto(assignment) };
    },
    async listAssignments(request, context) {
      const { caller } = callOf(runtime, context);
      const after = request.pageToken ? parseId('gra', request.pageToken, 'page_token') : undefined;
      const filter = {
        product: request.product || undefined,
        principal: request.principal ? readHolder(request.principal, 'principal') : undefined,
      };
      const size = request.pageSize || pageItemsDefault;
      const found = await database.forTenant(caller.tenantId, (tx) =>
        selectAssignments(tx, filter, { after, limit: size + 1 }),
      );
      const page = found.slice(0, size);
      const nextPageToken = found.length > size ? (page.at(-1)?.id ?? '') : '';
      return { assignments: page.map(assignmentToProto), nextPageToken };
    },
  } satisfies Partial<ServiceImpl<typeof PolicyService>>;
}

function productToProto({ name, displayName, roles, resources, version, createdAtMs, updatedAtMs }: Product) {
  return create(ProductSchema, {
    ...{ name, displayName, resources: [...resources], version: BigInt(version) },
    roles: roles.map((role) => ({ ...role, permissions: [...role.permissions] })),
    createdAt: timestampFromMs(createdAtMs),
    updatedAt: timestampFromMs(updatedAtMs),
  });
}

function assignmentToProto(assignment: RoleAssignment) {
  const { id, product, role, principal, resource, createdAtMs, createdBy, expiresAtMs, endedAtMs } = assignment;
  return create(RoleAssignmentSchema, {
    ...{ id, product, role, principal, resource, createdBy },
    createdAt: timestampFromMs(createdAtMs),
    ...(expiresAtMs !== undefined && { expiresAt: timestampFromMs(expiresAtMs) }),
    ...(endedAtMs !== undefined && { endedAt: timestampFromMs(endedAtMs) }),
  });
}
