import { type GrantId, idFromUuid, uuidOf } from '@mono-auth/core/ids';
import type { Principal } from '@mono-auth/core/principal';
import type { KeyedRequest } from '@mono-auth/core/request-digest';
import type { TenantTx } from '@mono-auth/database';
import type { RoleAssignment } from '../roles/role-assignment.ts';

interface AssignmentRow {
  id: string;
  product: string;
  role: string;
  principal: Principal;
  resource: string;
  created_at: Date;
  created_by: Principal;
  expires_at: Date | null;
  ended_at: Date | null;
}

function assignmentOf(row: AssignmentRow): RoleAssignment {
  return {
    id: idFromUuid('gra', row.id),
    product: row.product,
    role: row.role,
    principal: row.principal,
    resource: row.resource,
    createdAtMs: row.created_at.getTime(),
    createdBy: row.created_by,
    expiresAtMs: row.expires_at?.getTime(),
    endedAtMs: row.ended_at?.getTime(),
  };
}

/** Answers false when the principal has the role there already, or the idempotency key is taken. */
export async function insertAssignment(
  tx: TenantTx,
  assignment: RoleAssignment,
  request: KeyedRequest | undefined,
): Promise<boolean> {
  const { id, product, role, principal, resource, createdAtMs, createdBy, expiresAtMs } = assignment;
  const rows = await tx.sql<{ id: string }>`
    insert into mono.role_assignments (tenant_id, id, product, role, principal, resource, created_at, created_by,
      expires_at, idempotency_key, request_digest)
    values (${uuidOf(tx.tenantId)}, ${uuidOf(id)}, ${product}, ${role}, ${principal}, ${resource},
      ${new Date(createdAtMs)}, ${createdBy}, ${expiresAtMs === undefined ? undefined : new Date(expiresAtMs)},
      ${request?.key}, ${request?.digest})
    on conflict do nothing
    returning id`;
  return rows.length === 1;
}

export async function selectAssignment(tx: TenantTx, id: GrantId): Promise<RoleAssignment | undefined> {
  const rows = await tx.sql<AssignmentRow>`
    select id, product, role, principal, resource, created_at, created_by, expires_at, ended_at
    from mono.role_assignments where tenant_id = ${uuidOf(tx.tenantId)} and id = ${uuidOf(id)}`;
  return rows[0] && assignmentOf(rows[0]);
}

/** With the digest of the request that made it. */
export async function selectAssignmentByIdempotencyKey(
  tx: TenantTx,
  key: string,
): Promise<{ assignment: RoleAssignment; requestDigest: Uint8Array | null } | undefined> {
  const [row] = await tx.sql<AssignmentRow & { request_digest: Uint8Array | null }>`
    select id, product, role, principal, resource, created_at, created_by, expires_at, ended_at, request_digest
    from mono.role_assignments where tenant_id = ${uuidOf(tx.tenantId)} and idempotency_key = ${key}`;
  return row && { assignment: assignmentOf(row), requestDigest: row.request_digest };
}

/** What a product has given a principal. */
export interface HeldRoles {
  /** Those that nobody has ended; the clock may have. */
  readonly assignments: readonly RoleAssignment[];
  /** Whether it was ever given anything: whoever lost all of it holds nothing, and is not as if it had never been looked at. */
  readonly known: boolean;
}

export function selectHeldRoles(tx: TenantTx, product: string, principal: Principal): Promise<HeldRoles> {
  return tx.remembered(`roles of ${principal} in ${product}`, async () => {
    const rows = await tx.sql<AssignmentRow>`
      select id, product, role, principal, resource, created_at, created_by, expires_at, ended_at
      from mono.role_assignments
      where tenant_id = ${uuidOf(tx.tenantId)} and product = ${product} and principal = ${principal} and ended_at is null
      order by id`;
    const ended = await tx.sql<{ id: string }>`
      select id from mono.role_assignments
      where tenant_id = ${uuidOf(tx.tenantId)} and product = ${product} and principal = ${principal}
        and ended_at is not null limit 1`;
    return { assignments: rows.map(assignmentOf), known: rows.length + ended.length > 0 };
  });
}

/** Newest first, after the assignment `after` when it is given. */
export async function selectAssignments(
  tx: TenantTx,
  filter: { readonly product: string | undefined; readonly principal: Principal | undefined },
  page: { readonly after: GrantId | undefined; readonly limit: number },
): Promise<RoleAssignment[]> {
  const last = page.after && uuidOf(page.after);
  const rows = await tx.sql<AssignmentRow>`
    select id, product, role, principal, resource, created_at, created_by, expires_at, ended_at
    from mono.role_assignments
    where tenant_id = ${uuidOf(tx.tenantId)} and (${filter.product}::text is null or product = ${filter.product}::text)
      and (${filter.principal}::text is null or principal = ${filter.principal}::text)
      and (${last}::uuid is null or id < ${last}::uuid)
    order by id desc limit ${page.limit}`;
  return rows.map(assignmentOf);
}

/** Those that the clock has ended are ended in their rows too, so that the next ones have their places. */
export async function endExpiredAssignments(
  tx: TenantTx,
  { product, principal }: Pick<RoleAssignment, 'product' | 'principal'>,
  nowMs: number,
): Promise<void> {
  await tx.sql`
    update mono.role_assignments set ended_at = expires_at
    where tenant_id = ${uuidOf(tx.tenantId)} and product = ${product} and principal = ${principal}
      and ended_at is null and expires_at <= ${new Date(nowMs)}`;
}

/** Ends those of roles that a product has no more. @returns how many. */
export async function endAssignmentsWithoutRole(
  tx: TenantTx,
  product: string,
  roles: readonly string[],
  nowMs: number,
): Promise<number> {
  const rows = await tx.sql<{ id: string }>`
    update mono.role_assignments set ended_at = ${new Date(nowMs)}
    where tenant_id = ${uuidOf(tx.tenantId)} and product = ${product} and ended_at is null
      and not role = any(${[...roles]}::text[])
    returning id`;
  return rows.length;
}

/** Which assignments a revocation is about. */
export type AssignmentSelection = { readonly id: GrantId } | { readonly principals: readonly Principal[] };

function values(selection: AssignmentSelection) {
  return 'id' in selection
    ? { id: uuidOf(selection.id), principals: [] }
    : { id: undefined, principals: [...selection.principals] };
}

export async function countLivingAssignments(
  tx: TenantTx,
  selection: AssignmentSelection,
  nowMs: number,
): Promise<number> {
  const { id, principals } = values(selection);
  const rows = await tx.sql<{ living: number }>`
    select count(*)::int as living from mono.role_assignments
    where tenant_id = ${uuidOf(tx.tenantId)} and ended_at is null and (expires_at is null or expires_at > ${new Date(nowMs)})
      and (id = ${id}::uuid or principal = any(${principals}::text[]))`;
  return rows[0]?.living ?? 0;
}

/** @returns how many were living until now. */
export async function endAssignments(tx: TenantTx, selection: AssignmentSelection, nowMs: number): Promise<number> {
  const { id, principals } = values(selection);
  const rows = await tx.sql<{ id: string }>`
    update mono.role_assignments set ended_at = ${new Date(nowMs)}
    where tenant_id = ${uuidOf(tx.tenantId)} and ended_at is null and (expires_at is null or expires_at > ${new Date(nowMs)})
      and (id = ${id}::uuid or principal = any(${principals}::text[]))
    returning id`;
  return rows.length;
}
