import { append } from '@mono-auth/audit';
import { hostClients } from '@mono-auth/clients';
import { Refusal } from '@mono-auth/core/errors';
import type { HostId, InviteId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import type { Signer } from '@mono-auth/keys';
import { readTenant } from '@mono-auth/tenants';
import type { Host } from './host.ts';
import type { HostKey } from './host-key.ts';
import { signJoinState } from './join-state.ts';
import { insertHost, selectHost } from './store/hosts.ts';
import { consumeInvite, selectInvite } from './store/invites.ts';

export interface RedeemInviteInput {
  /** Verified: our signature, this tenant, not expired. */
  readonly inviteId: InviteId;
  /** The id that the new host gets; the caller acts under it. */
  readonly hostId: HostId;
  /** Proven: whoever calls holds the private key. */
  readonly key: HostKey;
  readonly issuer: string;
  readonly joinSigner: Signer;
}

export interface Enrolled {
  readonly host: Host;
  readonly joinState: string;
}

/**
 * Uses an invite up and makes the host and its client: all of it, or nothing. The same key again gets its host again, until
 * that has renewed: an answer may be lost on the way, and the key proves that nobody else asks.
 * @throws Refusal `invite_used` when it was redeemed or revoked, `invalid_grant` when it has expired, `already_exists`
 * when a living host or client bears the name, `denied` when the tenant is not active.
 */
export async function redeemInvite(tx: TenantTx, call: Call, input: RedeemInviteInput): Promise<Enrolled> {
  const { hostId, key } = input;
  const tenant = await readTenant(tx);
  if (tenant.status !== 'active') throw new Refusal('denied', 'the tenant is not active');
  const nowMs = call.runtime.nowMs();
  const invite = await consumeInvite(tx, input.inviteId, hostId, nowMs);
  if (!invite) {
    const host = await findEnrolled(tx, input);
    return { host, joinState: await signJoinState(input.joinSigner, { ...tenant, issuer: input.issuer }, host, nowMs) };
  }
  const client = await hostClients.insertHostClient(tx, call, {
    hostId,
    name: invite.hostName,
    scopes: invite.scopes,
    audiences: invite.audiences,
    publicJwk: key.jwk,
    invitedBy: invite.createdBy,
  });
  const host: Host = {
    id: hostId,
    name: invite.hostName,
    status: 'active',
    generation: 1,
    clientId: client.id,
    inviteId: invite.id,
    publicJwk: key.jwk,
    jkt: key.jkt,
    enrolledAtMs: nowMs,
    renewedAtMs: undefined,
    lastRenewal: undefined,
  };
  if (!(await insertHost(tx, host))) throw new Refusal('already_exists', 'a host of this name exists');
  const joinState = await signJoinState(input.joinSigner, { ...tenant, issuer: input.issuer }, host, nowMs);
  await append(tx, call, {
    type: 'host.enrolled',
    object: { kind: 'host', id: hostId },
    detail: { name: host.name, invite: invite.id, client: client.id, jkt: host.jkt },
  });
  return { host, joinState };
}

/** Used and revoked are answered alike, and in the same time: who holds the token learns that it is over, not what its maker did. */
async function findEnrolled(tx: TenantTx, { inviteId, hostId, key }: RedeemInviteInput): Promise<Host> {
  const invite = await selectInvite(tx, inviteId);
  if (invite?.status === 'open') throw new Refusal('invalid_grant', 'the credential has expired');
  // An invite that made no host is looked up by the id of the host that there will not be.
  const host = await selectHost(tx, invite?.redeemedBy ?? hostId);
  if (host?.status === 'active' && host.generation === 1 && host.jkt === key.jkt) return host;
  throw new Refusal('invite_used', 'the invite was used or revoked');
}
