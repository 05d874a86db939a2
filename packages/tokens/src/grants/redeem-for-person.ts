import { Refusal } from '@mono-auth/core/errors';
import type { UserId } from '@mono-auth/core/ids';
import { parseScope } from '@mono-auth/core/token-claims';
import type { Authentication } from '@mono-auth/federation';
import { intersectScope } from '@mono-auth/minting';
import { memberRole } from '@mono-auth/tenants';
import { requireConfidential } from '../confidential-client.ts';
import type { GrantSession } from '../grant-session.ts';
import { readScope } from '../scope.ts';
import { readTarget } from '../target.ts';
import type { LinkedAssertion } from './assertion-rules.ts';
import type { TokenResponse } from './grant.ts';
import { decidePersonToken, mintPersonToken, personTokenResponse } from './person-token.ts';

/** They open what only this issuer's own sign-in may: an ID token, refresh tokens (ID-JAG §4.4.3: none). */
const neverGranted: readonly string[] = ['openid', 'offline_access'];

interface VouchedFor {
  readonly userId: UserId;
  /** What of their sign-in counts here. */
  readonly authentication: Authentication;
}

/**
 * A token for a person whom another issuer vouches for: an ID-JAG (§4.4), or a grant of another trust domain (identity
 * chaining §2.4). It has what assertion, issuer, client, tenant, resource and role have in common, and no longer a life.
 * @throws Refusal `invalid_grant`; `invalid_target`; `invalid_scope`; `denied`.
 */
export async function redeemForPerson(
  session: GrantSession,
  { assertion: { issuer, claims }, link }: LinkedAssertion,
  { userId, authentication }: VouchedFor,
): Promise<TokenResponse> {
  const { deps, tx, tenant, client, attempt } = session;
  requireConfidential(client);
  attempt.subject = `user:${userId}`;
  const role = await memberRole(tx, userId);
  // A link outlives the person's leave: who is barred here stays so, whoever else lets them in.
  if (!role || !(await deps.people.isActive(tenant.id, userId))) {
    throw new Refusal('invalid_grant', 'assertion: its subject is nobody here');
  }
  const scopes = readGrantedScope(session, issuer.scopes, claims.scope);
  const resources = [chooseResource(session, issuer.audiences, claims.resource)];
  const token = await decidePersonToken(session, { userId, role, scopes, resources });
  const minted = await mintPersonToken(session, token, {
    ...{ grants: [issuer.id, link.id], sessionId: undefined, notAfter: claims.exp },
    authentication,
    ...{ authTimeMs: (claims.auth_time ?? claims.iat ?? 0) * 1000, nonce: undefined, allowedIn: undefined },
  });
  return personTokenResponse(session, minted, undefined);
}

/** A subset of what the assertion says; where it says nothing, of what its issuer is trusted for. */
function readGrantedScope({ form }: GrantSession, trusted: readonly string[], said: string | undefined): string[] {
  const asserted = said === undefined ? trusted : parseScope(said);
  if (!asserted) throw new Refusal('invalid_grant', 'assertion: scope is malformed');
  const asked = readScope(form);
  if (asked && intersectScope(asked, asserted).length < asked.length) {
    throw new Refusal('invalid_scope', 'scope: has values that the assertion does not');
  }
  return intersectScope(asked ?? asserted, trusted).filter((one) => !neverGranted.includes(one));
}

/** ID-JAG §4.4.1: `resource` of the assertion bounds the audience; several leave the choice to the client. */
function chooseResource(
  { form, client }: GrantSession,
  trusted: readonly string[],
  said: string[] | undefined,
): string {
  const possible = (said ?? trusted).filter((one) => trusted.includes(one));
  const asked = readTarget(form);
  const reachable = possible.filter((one) => client.audiences.includes(one));
  const chosen = asked ?? (reachable.length === 1 ? reachable[0] : undefined);
  if (chosen !== undefined && possible.includes(chosen)) return chosen;
  throw new Refusal('invalid_target', 'resource: name one that the assertion and this client allow');
}
