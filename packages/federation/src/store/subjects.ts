import { type GrantId, idFromUuid, uuidOf } from '@mono-auth/core/ids';
import type { KeyedRequest } from '@mono-auth/core/request-digest';
import type { TenantTx } from '@mono-auth/database';
import type { FederatedSubject, LinkedPrincipal, SubjectName } from '../federated-subject.ts';

interface SubjectRow {
  id: string;
  issuer_id: string;
  subject: string;
  subject_tenant: string;
  user_id: string | null;
  agent_id: string | null;
  client_id: string | null;
  created_at: Date;
}

function principalOf({ user_id, agent_id, client_id }: SubjectRow): LinkedPrincipal {
  if (user_id !== null) return { kind: 'user', id: idFromUuid('usr', user_id) };
  if (agent_id !== null) return { kind: 'agent', id: idFromUuid('agt', agent_id) };
  if (client_id !== null) return { kind: 'client', id: idFromUuid('cli', client_id) };
  throw new TypeError('a link to nobody');
}

function subjectOf(row: SubjectRow): FederatedSubject {
  return {
    id: idFromUuid('gra', row.id),
    issuerId: idFromUuid('gra', row.issuer_id),
    subject: row.subject,
    subjectTenant: row.subject_tenant,
    principal: principalOf(row),
    createdAtMs: row.created_at.getTime(),
  };
}

/** Answers false when the subject is linked already, or the idempotency key taken. */
export async function insertSubject(
  tx: TenantTx,
  { id, issuerId, subject, subjectTenant, principal, createdAtMs }: FederatedSubject,
  request: KeyedRequest | undefined,
): Promise<boolean> {
  const idOf = (kind: LinkedPrincipal['kind']) => (principal.kind === kind ? uuidOf(principal.id) : null);
  const rows = await tx.sql<{ id: string }>`
    insert into mono.federated_subjects (tenant_id, id, issuer_id, subject, subject_tenant, user_id, agent_id, client_id,
      idempotency_key, request_digest, created_at)
    values (${uuidOf(tx.tenantId)}, ${uuidOf(id)}, ${uuidOf(issuerId)}, ${subject}, ${subjectTenant}, ${idOf('user')},
      ${idOf('agent')}, ${idOf('client')}, ${request?.key}, ${request?.digest}, ${new Date(createdAtMs)})
    on conflict do nothing
    returning id`;
  return rows.length === 1;
}

export async function selectSubject(tx: TenantTx, name: SubjectName): Promise<FederatedSubject | undefined> {
  const [row] = await tx.sql<SubjectRow>`
    select id, issuer_id, subject, subject_tenant, user_id, agent_id, client_id, created_at from mono.federated_subjects
    where tenant_id = ${uuidOf(tx.tenantId)} and issuer_id = ${uuidOf(name.issuerId)}
      and subject_tenant = ${name.subjectTenant} and subject = ${name.subject} and ended_at is null`;
  return row && subjectOf(row);
}

/** The link that is about to end, locked until the transaction ends; `living`: it has not ended yet. */
export async function lockSubject(
  tx: TenantTx,
  id: GrantId,
): Promise<{ readonly subject: FederatedSubject; readonly living: boolean } | undefined> {
  const [row] = await tx.sql<SubjectRow & { ended_at: Date | null }>`
    select id, issuer_id, subject, subject_tenant, user_id, agent_id, client_id, created_at, ended_at
    from mono.federated_subjects where tenant_id = ${uuidOf(tx.tenantId)} and id = ${uuidOf(id)} for update`;
  return row && { subject: subjectOf(row), living: row.ended_at === null };
}

export async function selectSubjectByIdempotencyKey(
  tx: TenantTx,
  key: string,
): Promise<{ subject: FederatedSubject; requestDigest: Uint8Array | null } | undefined> {
  const [row] = await tx.sql<SubjectRow & { request_digest: Uint8Array | null }>`
    select id, issuer_id, subject, subject_tenant, user_id, agent_id, client_id, created_at, request_digest
    from mono.federated_subjects where tenant_id = ${uuidOf(tx.tenantId)} and idempotency_key = ${key}`;
  return row && { subject: subjectOf(row), requestDigest: row.request_digest };
}

/** Those of an issuer that have not ended, newest first, after the one `after` when it is given. */
export async function selectSubjects(
  tx: TenantTx,
  issuerId: GrantId,
  after: GrantId | undefined,
  limit: number,
): Promise<FederatedSubject[]> {
  const before = after && uuidOf(after);
  const rows = await tx.sql<SubjectRow>`
    select id, issuer_id, subject, subject_tenant, user_id, agent_id, client_id, created_at from mono.federated_subjects
    where tenant_id = ${uuidOf(tx.tenantId)} and issuer_id = ${uuidOf(issuerId)} and ended_at is null
      and (${before}::uuid is null or id < ${before}::uuid)
    order by id desc limit ${limit}`;
  return rows.map(subjectOf);
}

export async function endSubject(tx: TenantTx, id: GrantId, nowMs: number): Promise<void> {
  await tx.sql`
    update mono.federated_subjects set ended_at = ${new Date(nowMs)}
    where tenant_id = ${uuidOf(tx.tenantId)} and id = ${uuidOf(id)} and ended_at is null`;
}

/** @returns how many were living until now. */
export async function endSubjectsOf(tx: TenantTx, issuerId: GrantId, nowMs: number): Promise<number> {
  const rows = await tx.sql<{ id: string }>`
    update mono.federated_subjects set ended_at = ${new Date(nowMs)}
    where tenant_id = ${uuidOf(tx.tenantId)} and issuer_id = ${uuidOf(issuerId)} and ended_at is null
    returning id`;
  return rows.length;
}
