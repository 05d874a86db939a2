import { Refusal } from '@mono-auth/core/errors';
import { findSubject, requireAuthentication, useUpAssertion, verifyAssertion } from '@mono-auth/federation';
import { required } from '../form.ts';
import type { GrantSession, Unproven } from '../grant-session.ts';
import { type LinkedAssertion, requireOwnAssertion, requirePurpose } from './assertion-rules.ts';
import { clientCredentials } from './client-credentials.ts';
import type { Grant } from './grant.ts';
import { isOfHost, useUpHostAssertion, verifyHostAssertion } from './host-assertion.ts';
import { redeemForPerson } from './redeem-for-person.ts';
import { findWorkloadClient, redeemForWorkload } from './redeem-for-workload.ts';

/**
 * RFC 7523 §2.1. What an assertion is for says the assertion itself, by its issuer, its `typ` and whom its subject is linked to,
 * never a parameter beside it: a host's own (its word instead of client_credentials), an ID-JAG, a grant of another domain for a
 * person, or the identity of a workload. There is never a refresh token.
 */
export const jwtBearer: Grant = {
  grantType: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
  isDraft: true,
  // A host's manifest is the same for every host: what it may ask for itself, it may ask for in this envelope.
  neededGrant: ({ kind }) => (kind === 'host' ? clientCredentials.grantType : jwtBearer.grantType),
  async identify(unproven) {
    const assertion = unproven.form.get('assertion');
    // Whoever names itself authenticates (RFC 7521 §4.1); the others are who the assertion says they are.
    if (assertion === undefined || !unproven.ceilings.idJag || namesItself(unproven)) return undefined;
    if (isOfHost(assertion)) return verifyHostAssertion(unproven, assertion);
    return findWorkloadClient(unproven, await verifyLinked(unproven, assertion));
  },
  async handle(session) {
    const assertion = required(session.form, 'assertion');
    if (isOfHost(assertion)) {
      requireUnnamed(session);
      await useUpHostAssertion(session, assertion);
      return clientCredentials.handle(session);
    }
    const linked = await verifyLinked(session, assertion);
    requirePurpose(linked);
    requireOwnAssertion(session, linked.assertion);
    const { principal } = linked.link;
    const answer =
      principal.kind === 'user'
        ? await redeemForPerson(session, linked, { userId: principal.id, ...authenticationIn(session, linked) })
        : await redeemForWorkload(session, linked, principal);
    await useUpAssertion(session.tx, linked.assertion);
    return answer;
  },
};

/** @throws Refusal `insufficient_user_authentication`. */
function authenticationIn({ deps }: GrantSession, { assertion: { claims, issuer } }: LinkedAssertion) {
  return { authentication: requireAuthentication(claims, issuer, deps.runtime.nowMs()) };
}

/** An assertion of a trusted issuer with whom its subject is here. @throws Refusal `invalid_grant` for one who is nobody here. */
async function verifyLinked({ deps, tx, tenant }: Unproven | GrantSession, text: string): Promise<LinkedAssertion> {
  const { issuer } = tenant;
  const verifying = { ...deps, issuer, tokenEndpoint: `${issuer}/oauth2/token` };
  const assertion = await verifyAssertion(tx, verifying, text);
  const { claims, issuer: trusted } = assertion;
  if (trusted.multiTenant !== (claims.tenant !== undefined)) {
    throw new Refusal('invalid_grant', 'assertion: tenant is required of this issuer, or is none that it has');
  }
  const name = { issuerId: trusted.id, subject: claims.sub, subjectTenant: claims.tenant ?? '' };
  // By issuer, tenant there and sub; what else it says about a person is not looked at.
  const link = await findSubject(tx, name);
  if (!link) throw new Refusal('invalid_grant', 'assertion: its subject is nobody here');
  return { assertion, link };
}

function namesItself({ form, authorization, shown }: Pick<Unproven, 'form' | 'authorization' | 'shown'>): boolean {
  const names = ['client_id', 'client_secret', 'client_assertion', 'client_assertion_type'];
  return authorization !== undefined || shown !== undefined || names.some((name) => form.get(name) !== undefined);
}

/** Its own assertion says no more than the authentication did: two proofs of one thing are a mistake or an attempt. */
function requireUnnamed(session: GrantSession): void {
  if (namesItself(session)) {
    throw new Refusal(
      'invalid_grant',
      'assertion: of a client that has authenticated, which asks by client_credentials',
    );
  }
}
