import type { TenantId } from '@mono-auth/core/ids';
import type { Database } from '@mono-auth/database';
import { readSecurityPolicy } from '@mono-auth/tenants';

export interface AttestationSwitch {
  readonly database: Pick<Database, 'forDecision'>;
}

/** Whether the tenant's policy has it. Not inside a transaction. */
export async function isServed({ database }: AttestationSwitch, tenantId: TenantId): Promise<boolean> {
  const { clientAttestation } = await database.forDecision(tenantId, readSecurityPolicy);
  return clientAttestation;
}
