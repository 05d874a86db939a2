import { append } from '@mono-auth/audit';
import { notFound, Refusal } from '@mono-auth/core/errors';
import { newId } from '@mono-auth/core/ids';
import { type Call, principalKind } from '@mono-auth/core/principal';
import { checkRepetition, type KeyedRequest, keyedRequest } from '@mono-auth/core/request-digest';
import type { TenantTx } from '@mono-auth/database';
import {
  endExpiredAssignments,
  type HeldRoles,
  insertAssignment,
  selectAssignmentByIdempotencyKey,
  selectHeldRoles,
} from '../store/assignments.ts';
import { lockProduct } from '../store/products.ts';
import { accessBy, accessClaimBytes, accessClaimBytesMax } from './access.ts';
import { endByFeed } from './end-by-feed.ts';
import type { Product } from './product.ts';
import { assignmentsMax, type RoleAssignment, readHolder, readResourceName, unboundActing } from './role-assignment.ts';
import type { RoleDeps } from './role-deps.ts';

export interface AssignRoleInput {
  readonly product: string;
  readonly role: string;
  readonly principal: string;
  /** Empty: everywhere in the product. */
  readonly resource: string;
  /** Undefined: for good. */
  readonly expiresAtMs: number | undefined;
  readonly idempotencyKey: string | undefined;
}

/**
 * Gives a principal a role of a product. The first one of whoever acts for others bounds them there from now on, so that it
 * ends, by the feed, the tokens in which they act unbounded. A repeated idempotency key answers the first assignment as it is.
 * @throws Refusal `not_found` for a product, a role of it, or a principal; `already_exists` while it has the role there;
 * `invalid_request` naming the field, also for more than a token can tell of.
 */
export async function assignRole(
  deps: Pick<RoleDeps, 'feed' | 'isPrincipal'>,
  tx: TenantTx,
  call: Call,
  input: AssignRoleInput,
): Promise<RoleAssignment> {
  const { role, expiresAtMs } = input;
  const principal = readHolder(input.principal, 'principal');
  const resource = readResourceName(input.resource);
  const asked = { product: input.product, role, principal, resource, expiresAtMs: expiresAtMs ?? 0 };
  const request = keyedRequest(input.idempotencyKey, asked);
  const known = await findFirst(tx, request);
  if (known) return known;
  const nowMs = call.runtime.nowMs();
  if (expiresAtMs !== undefined && expiresAtMs <= nowMs) {
    throw new Refusal('invalid_request', 'expires_at: in the future, or not there');
  }
  // Locked: no registration takes the role away meanwhile, and no other assignment goes beyond the limits with this one.
  const product = await lockProduct(tx, input.product);
  if (!product) throw notFound('product');
  if (!product.roles.some(({ name }) => name === role)) throw notFound('role');
  if (!(await deps.isPrincipal(tx, principal))) throw notFound('principal');
  const assignment: RoleAssignment = {
    ...{ id: newId(call.runtime, 'gra'), product: product.name, role, principal, resource },
    ...{ createdAtMs: nowMs, createdBy: call.caller.principal, expiresAtMs, endedAtMs: undefined },
  };
  await endExpiredAssignments(tx, assignment, nowMs);
  const held = await selectHeldRoles(tx, product.name, principal);
  const same = held.assignments.find((other) => other.role === role && other.resource === resource);
  if (same || !(await insertAssignment(tx, assignment, request))) {
    const first = await findFirst(tx, request);
    if (first) return first;
    throw new Refusal(
      'already_exists',
      `role: held there already${same ? ` by ${same.id}, remove that to change it` : ''}`,
    );
  }
  requireRoom(product, [...held.assignments, assignment]);
  await record(tx, call, assignment, await boundFirst(deps, tx, call, { product, held, assignment }));
  return assignment;
}

/** What the key has made. @throws Refusal `invalid_request` when another assignment was asked for. */
async function findFirst(tx: TenantTx, request: KeyedRequest | undefined): Promise<RoleAssignment | undefined> {
  const first = request && (await selectAssignmentByIdempotencyKey(tx, request.key));
  if (!first) return undefined;
  checkRepetition(request, first.requestDigest, 'assignment', () => false);
  return first.assignment;
}

/** Whoever could not be told of in a token would get none. */
function requireRoom({ name, roles }: Product, held: readonly RoleAssignment[]): void {
  if (held.length > assignmentsMax) {
    throw new Refusal('invalid_request', `principal: has at most ${assignmentsMax} roles in one product`);
  }
  const permissionsOf = new Map(roles.map((role) => [role.name, role.permissions]));
  if (accessClaimBytes(name, accessBy(held, permissionsOf)) > accessClaimBytesMax) {
    const why = `its roles would take more than ${accessClaimBytesMax} bytes of a token`;
    throw new Refusal('invalid_request', `principal: ${why}; fewer roles, or one that grants it everywhere`);
  }
}

/** A person never acts for others; who does, and is looked at for the first time, held whatever those held. */
async function boundFirst(
  { feed }: Pick<RoleDeps, 'feed'>,
  tx: TenantTx,
  call: Call,
  { product, held, assignment }: { product: Product; held: HeldRoles; assignment: RoleAssignment },
) {
  const { principal } = assignment;
  if (held.known || principalKind(principal) === 'user') return {};
  const handle = unboundActing(product.edition, principal);
  return endByFeed(feed, tx, call, handle, 'what it does for others is bounded by its roles from now on');
}

async function record(
  tx: TenantTx,
  call: Call,
  { id, product, role, principal, resource, expiresAtMs }: RoleAssignment,
  ending: Record<string, string | number>,
): Promise<void> {
  await append(tx, call, {
    type: 'role.assigned',
    object: { kind: 'grant', id },
    subject: principal,
    detail: {
      ...{ product, role, ...ending },
      ...(resource !== '' && { resource }),
      ...(expiresAtMs !== undefined && { expires_at_ms: expiresAtMs }),
    },
  });
}
