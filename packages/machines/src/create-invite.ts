import { append } from '@mono-auth/audit';
import { clientFields } from '@mono-auth/clients';
import { newId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import { checkRepetition, keyedRequest } from '@mono-auth/core/request-digest';
import type { TenantTx } from '@mono-auth/database';
import type { Invite } from './invite.ts';
import { insertInvite, selectInviteByIdempotencyKey } from './store/invites.ts';

/** How long an invite lives when nobody says: a working day and the night before it. */
const inviteTtlSecondsDefault = 86_400;

export interface CreateInviteInput {
  readonly hostName: string;
  /** 0 means 24 hours. */
  readonly ttlSeconds: number;
  readonly scopes: readonly string[];
  readonly audiences: readonly string[];
  readonly idempotencyKey: string | undefined;
}

/**
 * Makes an invite for one host; a repeated idempotency key answers the first one.
 * @throws Refusal `invalid_request` naming the field, the key as well when it was used for another invite.
 */
export async function createInvite(tx: TenantTx, call: Call, input: CreateInviteInput): Promise<Invite> {
  // Whole seconds, as the token's claims are: row and token expire together.
  const createdAtMs = Math.floor(call.runtime.nowMs() / 1000) * 1000;
  const invite: Invite = {
    id: newId(call.runtime, 'inv'),
    hostName: clientFields.readName(input.hostName, 'host_name'),
    status: 'open',
    scopes: clientFields.readScopes(input.scopes, 'scopes'),
    audiences: clientFields.readAudiences(input.audiences, 'audiences'),
    createdBy: call.caller.principal,
    createdAtMs,
    expiresAtMs: createdAtMs + (input.ttlSeconds || inviteTtlSecondsDefault) * 1000,
    redeemedBy: undefined,
  };
  const { hostName, scopes, audiences, createdAtMs: from, expiresAtMs: until } = invite;
  const request = keyedRequest(input.idempotencyKey, { hostName, scopes, audiences, ttlMs: until - from });
  if (!(await insertInvite(tx, invite, request))) {
    // A repetition; of a parallel one the insert has waited for the first.
    const first = request && (await selectInviteByIdempotencyKey(tx, request.key));
    if (!first) throw new TypeError('an invite of this id exists');
    checkRepetition(request, first.requestDigest, 'invite', () => isSameRequest(first.invite, invite));
    return first.invite;
  }
  await append(tx, call, {
    type: 'invite.created',
    object: { kind: 'invite', id: invite.id },
    detail: { host_name: invite.hostName, expires_at: new Date(invite.expiresAtMs).toISOString() },
  });
  return invite;
}

function isSameRequest(first: Invite, asked: Invite): boolean {
  const wanted = ({ hostName, scopes, audiences, createdAtMs, expiresAtMs }: Invite) =>
    JSON.stringify([hostName, scopes, audiences, expiresAtMs - createdAtMs]);
  return wanted(first) === wanted(asked);
}
