import { createHash } from 'node:crypto';
import { peerJwt } from '@mono-auth/clients';
import { hex, utf8 } from '@mono-auth/core/encoding';
import { notFound, Refusal } from '@mono-auth/core/errors';
import { type HostId, type InviteId, isId } from '@mono-auth/core/ids';
import { clockSkewSeconds } from '@mono-auth/core/limits';
import type { Runtime } from '@mono-auth/core/runtime';
import { type Keyring, verifyJwt } from '@mono-auth/keys';
import type { Tenant, TenantDirectory } from '@mono-auth/tenants';
import type { Ingress } from '@mono-auth/transport';
import { decodeProtectedHeader } from 'jose';
import { type InviteClaims, invitePurpose, inviteType } from './invite.ts';
import { isJoinState, type JoinStateClaims, joinStateType } from './join-state.ts';

export interface CredentialDeps {
  readonly runtime: Runtime;
  readonly keys: Pick<Keyring, 'publicKeys'>;
  readonly tenants: Pick<TenantDirectory, 'byId'>;
}

interface Presented {
  readonly tenant: Tenant;
  /** What a challenge is bound to. */
  readonly digest: string;
}

export interface PresentedInvite extends Presented {
  readonly kind: 'invite';
  readonly id: InviteId;
}

export interface PresentedJoinState extends Presented {
  readonly kind: 'join state';
  readonly hostId: HostId;
  readonly claims: JoinStateClaims;
}

/**
 * Reads an invite or a join state that somebody presents without any other credential. It names its tenant, which must
 * be the ingress' where that has one; only then that tenant's keys prove it.
 * @throws Refusal `not_found` for a tenant that is not there or another than the ingress', `invalid_grant` when it has
 * expired, `not_authenticated` when it is not ours.
 */
export async function openCredential(
  deps: CredentialDeps,
  ingress: Ingress,
  token: string,
): Promise<PresentedInvite | PresentedJoinState> {
  const { tenant_id: tenantId, iss, exp } = peerJwt.unverifiedClaims(token);
  if (!isId('ten', tenantId) || (ingress.tenant && ingress.tenant.id !== tenantId)) throw notFound('credential');
  const tenant = await deps.tenants.byId(tenantId);
  if (!tenant || tenant.issuer !== iss) throw notFound('credential');
  const nowMs = deps.runtime.nowMs();
  if (typeof exp === 'number' && Number.isFinite(exp) && exp + clockSkewSeconds <= nowMs / 1000) {
    throw new Refusal('invalid_grant', 'the credential has expired');
  }
  const presented = { tenant, digest: digestOf(token) };
  const expect = { issuer: tenant.issuer, audience: tenant.issuer, nowMs };
  if (typeOf(token) === joinStateType) {
    const keys = await deps.keys.publicKeys(tenantId, 'join');
    const claims = await verifyJwt<JoinStateClaims>(token, keys, { ...expect, typ: joinStateType, expiry: 'optional' });
    if (!isJoinState({ ...claims })) throw refuse('does not say where a host stands');
    return { ...presented, kind: 'join state', hostId: claims.sub.slice('host:'.length) as HostId, claims };
  }
  const keys = await deps.keys.publicKeys(tenantId, 'invite');
  const claims = await verifyJwt<InviteClaims>(token, keys, { ...expect, typ: inviteType });
  if (claims.purpose !== invitePurpose || !isId('inv', claims.jti)) throw refuse('is for another purpose');
  return { ...presented, kind: 'invite', id: claims.jti };
}

/** @throws Refusal `not_authenticated` when it is a join state; see `openCredential`. */
export async function openInvite(deps: CredentialDeps, ingress: Ingress, token: string): Promise<PresentedInvite> {
  const presented = await openCredential(deps, ingress, token);
  if (presented.kind !== 'invite') throw refuse('is no invite');
  return presented;
}

/** @throws Refusal `not_authenticated` when it is an invite; see `openCredential`. */
export async function openJoinState(
  deps: CredentialDeps,
  ingress: Ingress,
  token: string,
): Promise<PresentedJoinState> {
  const presented = await openCredential(deps, ingress, token);
  if (presented.kind !== 'join state') throw refuse('is no join state');
  return presented;
}

/** Law 9: of header and payload. The signature has several spellings. */
function digestOf(token: string): string {
  const signed = token.slice(0, token.lastIndexOf('.'));
  return hex(createHash('sha256').update(utf8(signed)).digest());
}

function typeOf(token: string): string | undefined {
  try {
    return decodeProtectedHeader(token).typ;
  } catch (cause) {
    throw new Refusal('not_authenticated', 'the credential has no header', { cause });
  }
}

function refuse(why: string): Refusal {
  return new Refusal('not_authenticated', `the credential ${why}`);
}
