import { Refusal } from '@mono-auth/core/errors';
import type { Actor } from '@mono-auth/core/principal';
import { actorChain } from '@mono-auth/core/token-claims';
import type { VerifiedClaims } from '../../access-token.ts';
import { extendChain } from '../../actor-chain.ts';
import type { GrantSession } from '../../grant-session.ts';
import { requireLivePrincipals } from '../../live-principals.ts';
import { verifyAccessToken } from '../../verify-access-token.ts';
import { requireActor, requireSubject } from './exchange-rules.ts';
import { requireImpersonator } from './impersonation.ts';
import type { ExchangeRequest, ShownToken } from './read-exchange.ts';
import { type Consent, requireConsent } from './require-consent.ts';
import { whyNotExchangeable } from './token-type.ts';

/** Who is spoken of and who acts from now on, everybody proven and alive. */
export interface Parties {
  readonly subject: VerifiedClaims;
  readonly actorToken: VerifiedClaims | undefined;
  /** The whole chain of the new token, outermost is who acts now; undefined for an impersonation. */
  readonly act: Actor | undefined;
  /** What the acting agent may hold now. */
  readonly agentScopes: readonly string[] | undefined;
  /** The edge by which the person lets the agent act, where it needs one. */
  readonly consent: Consent | undefined;
}

/** @throws Refusal `invalid_request` (RFC 8693 §2.2.2), `unauthorized_client`. */
export async function verifyParties(session: GrantSession, request: ExchangeRequest): Promise<Parties> {
  const { tx, attempt } = session;
  const subject = await verifyShown(session, 'subject_token', request.subject);
  attempt.subject = subject.sub;
  const actorToken = request.actor && (await verifyShown(session, 'actor_token', request.actor));
  requireSubject(session, subject);
  if (request.impersonate) {
    requireImpersonator(session, subject, actorToken);
    await requireLivePrincipals(tx, [subject.sub], undefined);
    return { subject, actorToken: undefined, act: undefined, agentScopes: undefined, consent: undefined };
  }
  const actor = requireActor(session, subject, actorToken);
  const act = extendChain(actor, subject.act);
  const agent = await requireLivePrincipals(tx, [subject.sub, ...actorChain(act)], actor.sub);
  const consent = await requireConsent(session, subject, actor.sub, agent);
  return { subject, actorToken, act, agentScopes: agent?.scopes, consent };
}

/** RFC 8693 §2.2.2: a token that is invalid for whatever reason, or unacceptable, is `invalid_request`. */
async function verifyShown(
  { deps, tx, tenant, confirmation }: GrantSession,
  name: 'subject_token' | 'actor_token',
  { token, type }: ShownToken,
): Promise<VerifiedClaims> {
  const why = whyNotExchangeable(type);
  if (why !== undefined) throw new Refusal('invalid_request', `${name}_type: ${why}`);
  try {
    // RFC 9449 §7: who shows a bound token proves its key, here as anywhere.
    return await verifyAccessToken(deps, tenant, token, { tx, holder: confirmation ?? {} });
  } catch (error) {
    if (!(error instanceof Refusal) || error.reason !== 'not_authenticated') throw error;
    throw new Refusal('invalid_request', `${name}: ${error.detail}`, { cause: error });
  }
}
