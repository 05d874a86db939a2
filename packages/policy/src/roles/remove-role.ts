import { append } from '@mono-auth/audit';
import { notFound } from '@mono-auth/core/errors';
import type { GrantId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import { endAssignments, selectAssignment } from '../store/assignments.ts';
import { endByFeed } from './end-by-feed.ts';
import type { RoleAssignment } from './role-assignment.ts';
import type { RoleDeps } from './role-deps.ts';

/**
 * Ends an assignment for good, and by the feed every token that it stands behind: row, feed and evidence are one transaction.
 * One that has ended, or expired, is answered as it is. Asks for the feed's head last.
 * @throws Refusal `not_found`.
 */
export async function removeRole(
  { feed }: Pick<RoleDeps, 'feed'>,
  tx: TenantTx,
  call: Call,
  id: GrantId,
): Promise<RoleAssignment> {
  const found = await selectAssignment(tx, id);
  if (!found) throw notFound('assignment');
  const nowMs = call.runtime.nowMs();
  if ((await endAssignments(tx, { id }, nowMs)) === 0) return (await selectAssignment(tx, id)) ?? found;
  const { product, role, principal, resource } = found;
  const ending = await endByFeed(feed, tx, call, id, 'the role was removed');
  await append(tx, call, {
    type: 'role.removed',
    object: { kind: 'grant', id },
    subject: principal,
    detail: { product, role, ...ending, ...(resource !== '' && { resource }) },
  });
  return { ...found, endedAtMs: nowMs };
}
