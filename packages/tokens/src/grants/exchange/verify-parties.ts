import { Refusal } from '@mono-auth/core/errors';
import type { Actor, Principal } from '@mono-auth/core/principal';
import { actorChain } from '@mono-auth/core/token-claims';
import type { VerifiedClaims } from '../../access-token.ts';
import { extendChain } from '../../actor-chain.ts';
import type { GrantSession } from '../../grant-session.ts';
import { requireLivePrincipals } from '../../live-principals.ts';
import { verifyAccessToken } from '../../verify-access-token.ts';
import { requireActor, requireSubject } from './exchange-rules.ts';
import type { ExchangeRequest } from './read-exchange.ts';

/** Who is spoken of and who acts from now on, everybody proven and alive. */
export interface Parties {
  readonly subject: VerifiedClaims;
  readonly actorToken: VerifiedClaims | undefined;
  readonly actor: Principal;
  /** The whole chain of the new token, outermost is `actor`. */
  readonly act: Actor;
  /** What the actor may hold now, when it is an agent. */
  readonly agentScopes: readonly string[] | undefined;
}

/** @throws Refusal `invalid_request` (RFC 8693 §2.2.2). */
export async function verifyParties(session: GrantSession, request: ExchangeRequest): Promise<Parties> {
  const { tx, attempt } = session;
  const subject = await verifyPresented(session, 'subject_token', request.subjectToken);
  attempt.subject = subject.sub;
  const actorToken =
    request.actorToken === undefined ? undefined : await verifyPresented(session, 'actor_token', request.actorToken);
  requireSubject(session, subject);
  const actor = requireActor(session, subject, actorToken);
  const act = extendChain(actor, subject.act);
  const agentScopes = await requireLivePrincipals(tx, [subject.sub, ...actorChain(act)], actor.sub);
  return { subject, actorToken, actor: actor.sub, act, agentScopes };
}

/** RFC 8693 §2.2.2: a token that is invalid for whatever reason, or unacceptable, is `invalid_request`. */
async function verifyPresented(
  { deps, tx, tenant, confirmation }: GrantSession,
  name: 'subject_token' | 'actor_token',
  token: string,
): Promise<VerifiedClaims> {
  try {
    // RFC 9449 §7: who shows a bound token proves its key, here as anywhere.
    return await verifyAccessToken(deps, tenant, token, { tx, holder: confirmation ?? {} });
  } catch (error) {
    if (!(error instanceof Refusal) || error.reason !== 'not_authenticated') throw error;
    throw new Refusal('invalid_request', `${name}: ${error.detail}`, { cause: error });
  }
}
