import { Refusal } from '@mono-auth/core/errors';
import { permissionsOf } from '@mono-auth/core/permissions';
import { platformSlug } from '@mono-auth/core/tenant-slug';
import type { TenantTx } from '@mono-auth/database';
import type { Minted } from '@mono-auth/minting';
import { memberRole, type Tenant } from '@mono-auth/tenants';
import { callOfPerson } from './call.ts';
import type { IdentityContext, Origin } from './context.ts';
import { fateOf, type Session } from './read-session.ts';
import { grantScope, type TokenRequest } from './token-request.ts';

/** `client_id` (RFC 9068 §2.2) of a token that a person's own session asked for: no registered client stands between. */
const sessionClientId = 'mono-auth-session';

/**
 * Mints a token for the person behind a session.
 * @throws Refusal `not_authenticated` when the session died meanwhile; `denied` without a role; `invalid_target`;
 * `invalid_request` for an agent that cannot act.
 */
export async function issueToken(
  context: IdentityContext,
  tenant: Tenant,
  session: Session,
  request: TokenRequest,
  origin: Origin,
): Promise<Minted> {
  const minted = await context.database.forDecision(tenant.id, async (tx) => {
    const ground = await context.minter.begin(tx);
    if (ground.tenant.epoch !== session.epoch) throw signedOut();
    const tenantRole = await memberRole(tx, session.userId);
    if (!tenantRole) throw new Refusal('denied', 'you have no role in this tenant');
    await requireAudience(context, tx, tenant, request);
    await requireAgent(context, tx, request);
    const call = callOfPerson(context.runtime, tenant, origin, {
      userId: session.userId,
      sessionId: session.id,
      tenantRole,
    });
    return context.minter.mint(tx, call, ground, {
      subject: `user:${session.userId}`,
      clientId: sessionClientId,
      audience: request.audience,
      scope: grantScope(request, tenant.issuer, permissionsOf(tenantRole, tenant.slug === platformSlug)),
      ttlSeconds: request.ttlSeconds,
      notAfter: session.expiresAtMs / 1000,
      sessionId: session.id,
      tenantRole,
      ...(request.use && { use: request.use }),
      ...(request.mayAct && { mayAct: `agent:${request.mayAct}` }),
    });
  });
  // Looked at again, now at least as far into the feed as the token's `fs` says: nothing that was revoked between the
  // first look and the minting leaves with a token that has already "seen" its own end.
  if ((await fateOf(context, tenant, session)) !== 'live') throw signedOut();
  return minted;
}

/** The RPC face, the gateway, the issuer (a subject token for an exchange), or a resource of this tenant. */
async function requireAudience(
  context: IdentityContext,
  tx: TenantTx,
  { issuer }: Tenant,
  { audience, use }: TokenRequest,
): Promise<void> {
  if (use === 'gateway' || audience === issuer || audience === `${issuer}/rpc`) return;
  if (await context.isKnownAudience(tx, audience)) return;
  // RFC 8707 §2: an unknown or unwanted resource.
  throw new Refusal('invalid_target', 'audience: no such resource in this tenant');
}

/** RFC 8693 §4.4: nobody is named who could not act. Another tenant's agent and one that never was are one answer (law 5). */
async function requireAgent(context: IdentityContext, tx: TenantTx, { mayAct }: TokenRequest): Promise<void> {
  if (mayAct === undefined || (await context.isActiveAgent(tx, mayAct))) return;
  throw new Refusal('invalid_request', 'may_act: no such agent is active in this tenant');
}

export function signedOut(): Refusal {
  return new Refusal('not_authenticated', 'sign in first');
}
