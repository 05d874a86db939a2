import { Refusal } from '@mono-auth/core/errors';
import type { Assertion, FederatedSubject } from '@mono-auth/federation';
import type { GrantSession } from '../grant-session.ts';

/** An assertion with whom its subject is here. */
export interface LinkedAssertion {
  readonly assertion: Assertion;
  readonly link: FederatedSubject;
}

/** Who is trusted for one thing is trusted for no other. @throws Refusal `invalid_grant`. */
export function requirePurpose({ assertion: { issuer, isIdJag }, link: { principal } }: LinkedAssertion): void {
  const person = isIdJag ? 'id_jag' : 'identity_chaining';
  const purpose = principal.kind === 'user' ? person : 'workload';
  // An ID-JAG speaks of a person, whatever its subject is linked to (ID-JAG §3).
  const misused = isIdJag && principal.kind !== 'user';
  if (misused || !issuer.purposes.includes(purpose)) {
    throw new Refusal('invalid_grant', 'assertion: its issuer is not trusted for this');
  }
}

/**
 * Whether the client may show it: it is made out to this client (ID-JAG §4.4.1 and §8.3: another's is of no use), the issuer is
 * trusted for it, and the key that it is bound to is proven.
 * @throws Refusal `invalid_grant`; `unauthorized_client`.
 */
export function requireOwnAssertion(
  { client, dpopJkt }: Pick<GrantSession, 'client' | 'dpopJkt'>,
  { issuer, isIdJag, claims: { client_id: madeFor, cnf } }: Assertion,
): void {
  if (madeFor === undefined ? isIdJag : madeFor !== (client.externalId ?? client.id)) {
    throw new Refusal('invalid_grant', 'assertion: client_id is not this client');
  }
  if (issuer.clientIds.length > 0 && !issuer.clientIds.includes(client.id)) {
    throw new Refusal('unauthorized_client', 'assertion: this client may not show one of this issuer');
  }
  if (cnf && cnf.jkt !== dpopJkt) {
    throw new Refusal('invalid_grant', 'assertion: it is bound to a key that was not proven');
  }
}
