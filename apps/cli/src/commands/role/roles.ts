import { toJson } from '@bufbuild/protobuf';
import { timestampDate, timestampFromMs } from '@bufbuild/protobuf/wkt';
import { parseId } from '@mono-auth/core/ids';
import { PolicyService, type RoleAssignment, RoleAssignmentSchema } from '@mono-auth/proto/monoauth/policy/v1/policy';
import { requireAnswer } from '../../client-answer.ts';
import type { CliContext } from '../../context.ts';
import { type OutputFlags, print, table } from '../../output.ts';
import { collectPages, withClient } from '../../rpc.ts';

export interface AssignRoleFlags extends OutputFlags {
  readonly product: string;
  readonly role: string;
  readonly resource?: string;
  readonly ttl?: number;
}

export interface ListRolesFlags extends OutputFlags {
  readonly product?: string;
  readonly principal?: string;
}

export async function assignRole(this: CliContext, flags: AssignRoleFlags, principal: string): Promise<void> {
  const request = {
    ...{ product: flags.product, role: flags.role, principal, resource: flags.resource ?? '' },
    ...(flags.ttl !== undefined && { expiresAt: timestampFromMs(this.runtime.nowMs() + flags.ttl * 1000) }),
    idempotencyKey: this.runtime.uuid(),
  };
  const { assignment } = await withClient(this, PolicyService, (service) => service.assignRole(request));
  const given = requireAnswer(assignment, 'assignment');
  print(this, flags, { assignment: toJson(RoleAssignmentSchema, given) }, [
    `assignment  ${given.id}`,
    `role        ${given.product} ${given.role}`,
    `principal   ${given.principal}`,
    `resource    ${given.resource || 'everything'}`,
    `until       ${untilOf(given)}`,
  ]);
}

export async function removeRole(this: CliContext, flags: OutputFlags, text: string): Promise<void> {
  const id = parseId('gra', text, 'ASSIGNMENT');
  const { assignment } = await withClient(this, PolicyService, (service) => service.removeRole({ id }));
  const ended = requireAnswer(assignment, 'assignment');
  print(this, flags, { assignment: toJson(RoleAssignmentSchema, ended) }, [`removed ${ended.id}`]);
}

export async function listRoles(this: CliContext, flags: ListRolesFlags): Promise<void> {
  const filter = { product: flags.product ?? '', principal: flags.principal ?? '' };
  const assignments = await withClient(this, PolicyService, (service) =>
    collectPages(async (pageToken) => {
      const { assignments: items, nextPageToken } = await service.listAssignments({ ...filter, pageToken });
      return { items, nextPageToken };
    }),
  );
  const rows = assignments.map((assignment) => [
    ...[assignment.id, assignment.product, assignment.role, assignment.principal, assignment.resource || '-'],
    assignment.endedAt ? 'ended' : untilOf(assignment),
  ]);
  const document = { assignments: assignments.map((assignment) => toJson(RoleAssignmentSchema, assignment)) };
  print(this, flags, document, table(['ID', 'PRODUCT', 'ROLE', 'PRINCIPAL', 'RESOURCE', 'UNTIL'], rows));
}

function untilOf({ expiresAt }: RoleAssignment): string {
  return expiresAt ? timestampDate(expiresAt).toISOString() : 'it is removed';
}
