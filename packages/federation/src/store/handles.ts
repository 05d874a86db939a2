import { type GrantId, uuidOf } from '@mono-auth/core/ids';
import type { TenantTx } from '@mono-auth/database';

/** What goes by an id of this package: each is a handle of tokens, or of assertions that are made here. */
export type TrustKind = 'trusted_issuer' | 'federated_subject' | 'resource_server';

/** What the id is of, also when it has ended. */
export async function selectTrustKind(tx: TenantTx, id: GrantId): Promise<TrustKind | undefined> {
  const [tenant, uuid] = [uuidOf(tx.tenantId), uuidOf(id)];
  const [row] = await tx.sql<{ kind: TrustKind }>`
    select 'trusted_issuer' as kind from mono.trusted_issuers where tenant_id = ${tenant} and id = ${uuid}
    union all
    select 'federated_subject' from mono.federated_subjects where tenant_id = ${tenant} and id = ${uuid}
    union all
    select 'resource_server' from mono.resource_server_trusts where tenant_id = ${tenant} and id = ${uuid}`;
  return row?.kind;
}

/** How many of each live that would end with the id: an issuer takes its links along. */
export async function countLiving(tx: TenantTx, id: GrantId): Promise<Record<TrustKind, number>> {
  const [tenant, uuid] = [uuidOf(tx.tenantId), uuidOf(id)];
  const [row] = await tx.sql<Record<TrustKind, number>>`
    select
      (select count(*) from mono.trusted_issuers
        where tenant_id = ${tenant} and id = ${uuid} and status <> 'removed')::int as trusted_issuer,
      (select count(*) from mono.federated_subjects
        where tenant_id = ${tenant} and ended_at is null and (id = ${uuid} or issuer_id = ${uuid}))::int as federated_subject,
      (select count(*) from mono.resource_server_trusts
        where tenant_id = ${tenant} and id = ${uuid} and ended_at is null)::int as resource_server`;
  return row ?? { trusted_issuer: 0, federated_subject: 0, resource_server: 0 };
}
