import { findEventsAbout, type RecordedEvent } from '@mono-auth/audit';
import { notFound } from '@mono-auth/core/errors';
import { type HostId, isId, parseId } from '@mono-auth/core/ids';
import type { Permission } from '@mono-auth/core/permissions';
import type { Caller } from '@mono-auth/core/principal';
import { issuerOf } from '@mono-auth/core/tenant-slug';
import type { TenantTx } from '@mono-auth/database';
import type { TokenRefusal } from '@mono-auth/feed';
import { findGrant, type Grant } from '@mono-auth/grants';
import type { KeyRecord } from '@mono-auth/keys';
import { findRevocation } from '@mono-auth/revocation';
import type { ExplainDeps } from '../deps.ts';
import { readAuthenticToken } from './read-authentic-token.ts';
import { factsOfClaims, factsOfEvidence, revocableOf, type TokenFacts } from './token-facts.ts';
import { handlesOf, type TokenHandle } from './token-handles.ts';

/** The token itself, or its id. */
export type Explained = { readonly token: string } | { readonly jti: string };

export interface Explanation extends TokenFacts {
  readonly basis: 'token' | 'evidence';
  readonly state: 'active' | 'expired' | 'revoked';
  readonly issuer: string;
  readonly hostId: HostId | undefined;
  /** Empty where the evidence has none. */
  readonly policies: readonly string[];
  readonly key: KeyRecord | undefined;
  readonly grantsKnown: readonly { readonly id: string; readonly grant: Grant | undefined }[];
  readonly lineage: readonly ExplainedAncestor[];
  readonly handles: readonly TokenHandle[];
  /** Latest first. */
  readonly endings: readonly Ending[];
  readonly evidence: RecordedEvent | undefined;
}

export interface ExplainedAncestor {
  readonly jti: string;
  readonly endedBy: number | undefined;
  /** Undefined where the log has nothing of it, or the caller may not see it. */
  readonly facts: TokenFacts | undefined;
}

export interface Ending extends TokenRefusal {
  readonly atMs: number | undefined;
  /** By whom and why, for callers who may see it. */
  readonly order: { readonly createdBy: string; readonly reason: string } | undefined;
}

/** Lets a caller name any token of the tenant, and see of its ancestors more than their ids. */
const explainScope: Permission = 'tokens:explain';

/**
 * Explains a token to whoever holds it, or to a caller with `tokens:explain` (law 5: to anybody else it is not there). Read in
 * one transaction, so that chain, handles and endings are of one moment.
 * @throws Refusal `invalid_request` for what is neither a token nor an id of one; `not_found`.
 */
export async function explainToken(deps: ExplainDeps, caller: Caller, asked: Explained): Promise<Explanation> {
  const maySeeAll = caller.scope.has(explainScope);
  return deps.database.forTenant(caller.tenantId, async (tx) => {
    const shown = await readFacts(deps, tx, caller, asked);
    const minted = await readMintings(tx, [shown.jti, ...(shown.facts && maySeeAll ? shown.facts.ancestors : [])]);
    const evidence = minted.get(shown.jti);
    const facts = shown.facts ?? (evidence && factsOfEvidence(evidence));
    if (!facts) throw notFound('token');
    // By its id, the ancestors are known only now.
    const others = shown.facts || !maySeeAll ? minted : await readMintings(tx, facts.ancestors);
    const refusals = (await deps.feed.stateIn(tx)).refusals(revocableOf(facts));
    return {
      ...facts,
      basis: shown.facts ? 'token' : 'evidence',
      state: stateOf(facts, refusals, deps.runtime.nowMs()),
      issuer: issuerOf(deps.baseUrl, caller.tenantSlug),
      hostId: hostOf(facts),
      policies: String(evidence?.detail.policies ?? '')
        .split(' ')
        .filter((name) => name !== ''),
      key: facts.kid !== undefined && isId('key', facts.kid) ? await deps.keys.findKey(tx, facts.kid) : undefined,
      grantsKnown: await readGrants(tx, facts.grants),
      lineage: facts.ancestors.map((jti) => ancestorOf(jti, others.get(jti), refusals)),
      handles: handlesOf(facts, refusals),
      endings: await readEndings(deps, tx, refusals, maySeeAll),
      evidence,
    };
  });
}

/** Whose explanation it is, and what the token itself says where it was shown and can be believed. */
async function readFacts(
  deps: ExplainDeps,
  tx: TenantTx,
  caller: Caller,
  asked: Explained,
): Promise<{ readonly jti: string; readonly facts: TokenFacts | undefined }> {
  const maySeeAll = caller.scope.has(explainScope);
  if ('jti' in asked) {
    const jti = parseId('tok', asked.jti, 'jti');
    if (!maySeeAll) throw notFound('token');
    return { jti, facts: undefined };
  }
  const { claims, kid, keyRevoked } = await readAuthenticToken(deps, tx, caller, asked.token);
  if (!keyRevoked) return { jti: claims.jti, facts: factsOfClaims(claims, kid) };
  // Holding it shows nothing any more: it may be forged, so that it only names a token, and our own evidence speaks.
  if (!maySeeAll) throw notFound('token');
  return { jti: claims.jti, facts: undefined };
}

async function readMintings(tx: TenantTx, ids: readonly string[]): Promise<ReadonlyMap<string, RecordedEvent>> {
  const types = ['token.issued', 'token.exchanged', 'token.impersonated'];
  const events = ids.length === 0 ? [] : await findEventsAbout(tx, { kind: 'token', ids, types });
  return new Map(events.map((event) => [event.objectId, event]));
}

function ancestorOf(
  jti: string,
  event: RecordedEvent | undefined,
  refusals: readonly TokenRefusal[],
): ExplainedAncestor {
  const endedBy = refusals.find(({ why, handle }) => why === 'token' && handle === jti)?.seq;
  return { jti, endedBy, facts: event && factsOfEvidence(event) };
}

async function readGrants(tx: TenantTx, ids: readonly string[]): Promise<Explanation['grantsKnown'][number][]> {
  const known: Explanation['grantsKnown'][number][] = [];
  for (const id of ids) {
    known.push({ id, grant: isId('gra', id) ? await findGrant(tx, id) : undefined });
  }
  return known;
}

async function readEndings(
  deps: ExplainDeps,
  tx: TenantTx,
  refusals: readonly TokenRefusal[],
  maySeeAll: boolean,
): Promise<Ending[]> {
  const times = await deps.feed.entryTimes(
    tx,
    refusals.map(({ seq }) => seq),
  );
  const endings: Ending[] = [];
  for (const refusal of refusals) {
    const { id } = refusal;
    const order = maySeeAll && id !== undefined && isId('rev', id) ? await findRevocation(tx, id) : undefined;
    endings.push({ ...refusal, atMs: times.get(refusal.seq), order });
  }
  return endings;
}

function stateOf({ expiresAtMs }: TokenFacts, refusals: readonly TokenRefusal[], nowMs: number): Explanation['state'] {
  if (refusals.length > 0) return 'revoked';
  return expiresAtMs <= nowMs ? 'expired' : 'active';
}

/** The machine that acts, or for which the token speaks. */
function hostOf({ subject, actors }: TokenFacts): HostId | undefined {
  const host = [...actors, subject].find((principal) => principal.startsWith('host:'))?.slice('host:'.length);
  return host !== undefined && isId('hst', host) ? host : undefined;
}
