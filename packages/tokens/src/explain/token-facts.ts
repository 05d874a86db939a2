import type { RecordedEvent } from '@mono-auth/audit';
import type { Actor, Principal } from '@mono-auth/core/principal';
import { actorChain } from '@mono-auth/core/token-claims';
import type { RevocableClaims } from '@mono-auth/feed';
import type { VerifiedClaims } from '../access-token.ts';

/** Handles that an evidence may leave out because it was written before they were kept there. */
export type Untold = 'session' | 'key' | 'epoch';

/** What a token says, whether it was shown or is only known by the evidence of its minting. */
export interface TokenFacts {
  readonly jti: string;
  readonly subject: string;
  /** Outermost first. */
  readonly actors: readonly string[];
  readonly clientId: string;
  readonly sessionId: string | undefined;
  readonly audience: readonly string[];
  readonly scope: string;
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
  /** Undefined where the evidence does not say. */
  readonly epoch: number | undefined;
  readonly feedSeq: number;
  readonly jkt: string | undefined;
  readonly grants: readonly string[];
  /** Nearest first. */
  readonly ancestors: readonly string[];
  /** To whom these were given. */
  readonly ancestorClients: readonly string[];
  readonly kid: string | undefined;
  readonly decisionId: string;
  readonly policyVersion: number;
  readonly untold: readonly Untold[];
}

export function factsOfClaims(claims: VerifiedClaims, kid: string): TokenFacts {
  return {
    jti: claims.jti,
    subject: claims.sub,
    actors: actorChain(claims.act),
    clientId: claims.client_id,
    sessionId: claims.sid,
    audience: [claims.aud].flat(),
    scope: claims.scope,
    issuedAtMs: claims.iat * 1000,
    expiresAtMs: claims.exp * 1000,
    epoch: claims.ep,
    feedSeq: claims.fs,
    jkt: claims.cnf?.jkt,
    grants: claims.grants ?? [],
    ancestors: claims.pjti ?? [],
    ancestorClients: claims.pcid ?? [],
    kid,
    decisionId: claims.did ?? '',
    policyVersion: claims.pv ?? 0,
    untold: [],
  };
}

/** The minter wrote it (`recordMinted`); lists are joined by spaces there. */
export function factsOfEvidence(event: RecordedEvent): TokenFacts {
  const { detail, actor, subject, objectId, decisionId, policyVersion, occurredAtMs } = event;
  const text = (name: string) => (detail[name] === undefined ? undefined : String(detail[name]));
  const list = (name: string) => (text(name) ?? '').split(' ').filter((value) => value !== '');
  const kid = text('kid');
  return {
    jti: objectId,
    // An event leaves out the subject who is its own actor.
    subject: subject === '' ? actor : subject,
    actors: list('actors'),
    clientId: text('client_id') ?? '',
    sessionId: text('sid'),
    audience: list('audience'),
    scope: text('scope') ?? '',
    issuedAtMs: occurredAtMs,
    expiresAtMs: Number(detail.exp) * 1000,
    epoch: detail.ep === undefined ? undefined : Number(detail.ep),
    feedSeq: Number(detail.fs),
    jkt: text('jkt'),
    grants: list('grants'),
    ancestors: list('ancestors'),
    ancestorClients: list('ancestor_clients'),
    kid,
    decisionId,
    policyVersion,
    // The three came to the evidence together.
    untold: kid === undefined ? ['session', 'key', 'epoch'] : [],
  };
}

/** The token as the feed judges it. */
export function revocableOf(facts: TokenFacts): RevocableClaims {
  return {
    jti: facts.jti,
    sub: facts.subject,
    sid: facts.sessionId,
    client_id: facts.clientId,
    act: facts.actors.reduceRight<Actor | undefined>(
      (act, sub) => ({ sub: sub as Principal, ...(act && { act }) }),
      undefined,
    ),
    grants: facts.grants,
    pjti: facts.ancestors,
    pcid: facts.ancestorClients,
    // No epoch ends a token of which none is told.
    ep: facts.epoch ?? Number.POSITIVE_INFINITY,
    fs: facts.feedSeq,
    kid: facts.kid,
  };
}
