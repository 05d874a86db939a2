import type { HostId, InviteId } from '@mono-auth/core/ids';
import type { Principal } from '@mono-auth/core/principal';

/** `typ` of invites. */
export const inviteType = 'mono-invite+jwt';
/** What an invite is good for: it says so itself, so that a later kind of invite can never pass for this one. */
export const invitePurpose = 'host-enrolment';

export interface Invite {
  readonly id: InviteId;
  readonly hostName: string;
  /** As stored; an open one may have expired. */
  readonly status: 'open' | 'redeemed' | 'revoked';
  /** What the host's client will be allowed. */
  readonly scopes: string[];
  readonly audiences: string[];
  readonly createdBy: Principal;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  readonly redeemedBy: HostId | undefined;
}

/** Claims of an invite. Its `jti` is its id: what makes it a credential is the signature, and it works once. */
export interface InviteClaims {
  readonly iss: string;
  readonly aud: string;
  readonly tenant_id: string;
  readonly purpose: string;
  readonly jti: string;
  readonly host_name: string;
  /** NumericDate, as is `exp`. */
  readonly iat: number;
  readonly exp: number;
}

/** The claims of an invite, always the same ones: a repeated request gets an equal token, and none is stored. */
export function claimsOf(invite: Invite, tenant: { readonly id: string; readonly issuer: string }): InviteClaims {
  return {
    iss: tenant.issuer,
    aud: tenant.issuer,
    tenant_id: tenant.id,
    purpose: invitePurpose,
    jti: invite.id,
    host_name: invite.hostName,
    iat: Math.floor(invite.createdAtMs / 1000),
    exp: Math.floor(invite.expiresAtMs / 1000),
  };
}
