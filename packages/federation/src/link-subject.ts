import { append } from '@mono-auth/audit';
import { findClient } from '@mono-auth/clients';
import { notFound, Refusal } from '@mono-auth/core/errors';
import { newId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import { checkRepetition, type KeyedRequest, keyedRequest } from '@mono-auth/core/request-digest';
import type { TenantTx } from '@mono-auth/database';
import { findAgent } from '@mono-auth/machines';
import { memberRole } from '@mono-auth/tenants';
import type { FederatedSubject, LinkedPrincipal, SubjectName } from './federated-subject.ts';
import { readSubject, refuse } from './read-fields.ts';
import { insertSubject, selectSubjectByIdempotencyKey } from './store/subjects.ts';
import { requireIssuer } from './suspend-issuer.ts';
import type { TrustedIssuer } from './trusted-issuer.ts';

export interface LinkSubjectInput extends SubjectName {
  readonly principal: LinkedPrincipal;
  readonly idempotencyKey: string | undefined;
}

/**
 * Says whom a subject of an issuer is here. It is an operator's word: no assertion ever links anybody, whatever address it
 * carries. A repeated idempotency key answers the first link.
 * @throws Refusal `invalid_request` naming the field; `not_found` for an issuer or principal that is not there;
 * `already_exists` when the subject is linked.
 */
export async function linkSubject(tx: TenantTx, call: Call, input: LinkSubjectInput): Promise<FederatedSubject> {
  const { principal } = input;
  // Locked: nobody is linked to an issuer that is being removed.
  const issuer = await requireIssuer(tx, input.issuerId);
  const subject: FederatedSubject = {
    id: newId(call.runtime, 'gra'),
    issuerId: input.issuerId,
    subject: readSubject(input.subject, 'subject'),
    subjectTenant: readSubjectTenant(issuer, input.subjectTenant),
    principal,
    createdAtMs: call.runtime.nowMs(),
  };
  requirePurpose(issuer, principal);
  if (!(await isThere(tx, principal))) throw notFound(principal.kind);
  const { issuerId: of, subject: name, subjectTenant: inTenant } = subject;
  const request = keyedRequest(input.idempotencyKey, { of, name, inTenant, is: principal.id });
  const first = await findFirst(tx, request);
  if (first) return first;
  if (!(await insertSubject(tx, subject, request))) {
    const parallel = await findFirst(tx, request);
    if (parallel) return parallel;
    throw new Refusal('already_exists', 'subject: is linked already');
  }
  await append(tx, call, {
    type: 'subject.linked',
    object: { kind: 'federated_subject', id: subject.id },
    detail: { issuer: input.issuerId, principal: `${principal.kind}:${principal.id}` },
  });
  return subject;
}

function readSubjectTenant({ multiTenant }: TrustedIssuer, subjectTenant: string): string {
  if (multiTenant !== (subjectTenant !== '')) {
    throw refuse('subject_tenant', 'where the issuer has several tenants, and only there');
  }
  return readSubject(subjectTenant, 'subject_tenant');
}

/** A link that no assertion could use would only look like one. */
function requirePurpose({ purposes }: TrustedIssuer, { kind }: LinkedPrincipal): void {
  const fits = kind === 'user' ? purposes.some((purpose) => purpose !== 'workload') : purposes.includes('workload');
  if (!fits) throw refuse(`${kind}_id`, 'the issuer is not trusted for assertions about these');
}

async function isThere(tx: TenantTx, principal: LinkedPrincipal): Promise<boolean> {
  switch (principal.kind) {
    case 'user':
      return (await memberRole(tx, principal.id)) !== undefined;
    case 'agent':
      return (await findAgent(tx, principal.id)) !== undefined;
    case 'client':
      return (await findClient(tx, principal.id)) !== undefined;
  }
}

async function findFirst(tx: TenantTx, request: KeyedRequest | undefined): Promise<FederatedSubject | undefined> {
  const first = request && (await selectSubjectByIdempotencyKey(tx, request.key));
  if (!first) return undefined;
  checkRepetition(request, first.requestDigest, 'subject', () => false);
  return first.subject;
}
