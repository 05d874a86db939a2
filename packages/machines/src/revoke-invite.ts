import { append } from '@mono-auth/audit';
import { notFound, Refusal } from '@mono-auth/core/errors';
import type { InviteId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import type { Invite } from './invite.ts';
import { closeInvite, selectInvite } from './store/invites.ts';

/**
 * Ends an invite that was not redeemed. One that was revoked before stays so.
 * @throws Refusal `not_found`; `invite_used` when it was redeemed: what it made is a host, to be revoked as such.
 */
export async function revokeInvite(tx: TenantTx, call: Call, id: InviteId): Promise<Invite> {
  const closed = await closeInvite(tx, id);
  const invite = await selectInvite(tx, id);
  if (!invite) throw notFound('invite');
  if (invite.status === 'redeemed') throw new Refusal('invite_used', 'the invite was redeemed: revoke its host');
  if (closed) await append(tx, call, { type: 'invite.revoked', object: { kind: 'invite', id } });
  return invite;
}
