import { Refusal } from '@mono-auth/core/errors';
import type { HostId } from '@mono-auth/core/ids';
import { newId } from '@mono-auth/core/ids';
import { type Call, callerWithoutToken } from '@mono-auth/core/principal';
import type { Database } from '@mono-auth/database';
import type { Feed } from '@mono-auth/feed';
import type { Keyring } from '@mono-auth/keys';
import type { Tenant } from '@mono-auth/tenants';
import type { Ingress } from '@mono-auth/transport';
import { type CredentialDeps, openCredential, openInvite, openJoinState } from './credential.ts';
import type { Host } from './host.ts';
import { type HostKey, readHostKey } from './host-key.ts';
import { type ChallengeDeps, issueChallenge, verifyKeyProof, verifyProof } from './proof.ts';
import { type Enrolled, redeemInvite } from './redeem-invite.ts';
import { renewHost } from './renew-host.ts';

export interface EnrolmentDeps extends CredentialDeps, ChallengeDeps {
  readonly database: Database;
  readonly keys: Pick<Keyring, 'publicKeys' | 'signer'>;
  readonly feed: Pick<Feed, 'append'>;
}

/**
 * The three calls that come without a token: the message carries the credential, and a proof of the key that it is bound
 * to. Everything that needs no transaction is proven first, because keys and challenges have transactions of their own.
 */
export async function challenge(
  deps: EnrolmentDeps,
  ingress: Ingress,
  credential: string,
): Promise<{ nonce: string; expiresAtMs: number }> {
  return issueChallenge(deps, await openCredential(deps, ingress, credential));
}

/** @throws Refusal; see `openInvite`, `verifyProof` and `redeemInvite`. */
export async function enrolHost(
  deps: EnrolmentDeps,
  ingress: Ingress,
  request: { readonly invite: string; readonly publicJwk?: unknown; readonly proof: string },
): Promise<Enrolled & { issuer: string }> {
  const invite = await openInvite(deps, ingress, request.invite);
  const { tenant } = invite;
  const key = await readHostKey(request.publicJwk, 'public_jwk');
  await verifyProof(deps, invite, key.jwk, request.proof);
  const joinSigner = await deps.keys.signer(tenant.id, 'join');
  const hostId = newId(deps.runtime, 'hst');
  const call = callOfHost(deps, ingress, tenant, hostId);
  const enrolled = await deps.database.forTenant(tenant.id, (tx) =>
    redeemInvite(tx, call, { inviteId: invite.id, hostId, key, issuer: tenant.issuer, joinSigner }),
  );
  return { ...enrolled, issuer: tenant.issuer };
}

export interface RenewRequest {
  readonly joinState: string;
  readonly requestId: string;
  readonly nextPublicJwk?: unknown;
  readonly proof: string;
  /** Empty when the key does not change. */
  readonly nextProof: string;
}

/** @throws Refusal; see `openJoinState`, `verifyProof` and `renewHost`. `denied` to a clone, which is then quarantined. */
export async function renewEnrolment(
  deps: EnrolmentDeps,
  ingress: Ingress,
  request: RenewRequest,
): Promise<{ host: Host; joinState: string }> {
  const state = await openJoinState(deps, ingress, request.joinState);
  const { tenant, hostId, claims } = state;
  const currentKey = await readHostKey(claims.cnf.jwk, 'join_state');
  const nextKey = await readHostKey(request.nextPublicJwk, 'next_public_jwk');
  await proveBothKeys(deps, state, currentKey, nextKey, request);
  const joinSigner = await deps.keys.signer(tenant.id, 'join');
  const call = callOfHost(deps, ingress, tenant, hostId);
  const outcome = await deps.database.forTenant(tenant.id, (tx) =>
    renewHost(tx, call, deps.feed, {
      hostId,
      generation: claims.generation,
      incarnation: claims.incarnation,
      requestId: request.requestId,
      nextKey,
      issuer: tenant.issuer,
      joinSigner,
    }),
  );
  if (outcome.kind === 'clone') {
    throw new Refusal('denied', 'this generation was renewed before: the host is quarantined');
  }
  return outcome;
}

/** The current key vouches for the request and for the next key; a next key that is another answers the same nonce. */
async function proveBothKeys(
  deps: EnrolmentDeps,
  state: { readonly tenant: Tenant; readonly digest: string },
  currentKey: HostKey,
  nextKey: HostKey,
  request: RenewRequest,
): Promise<void> {
  const proof = await verifyProof(deps, state, currentKey.jwk, request.proof);
  if (proof.request_id !== request.requestId || proof.next_jkt !== nextKey.jkt) {
    throw new Refusal('not_authenticated', 'proof refused: it vouches for another request or key');
  }
  if (nextKey.jkt === currentKey.jkt) return;
  const next = await verifyKeyProof(deps.runtime, state.tenant, nextKey.jwk, request.nextProof);
  if (next.nonce !== proof.nonce)
    throw new Refusal('not_authenticated', 'proof refused: the next key has another nonce');
}

/** A host acts under its own name here: it has proven its key, though it holds no token. */
function callOfHost(deps: EnrolmentDeps, ingress: Ingress, tenant: Tenant, hostId: HostId): Call {
  const { requestId, ip } = ingress;
  return { runtime: deps.runtime, caller: callerWithoutToken({ principal: `host:${hostId}`, tenant, requestId, ip }) };
}
