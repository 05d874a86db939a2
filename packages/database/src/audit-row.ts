import type { EventId, TenantId } from '@mono-auth/core/ids';

/** One audit event as its row. `envelope` is the canonical binary form that becomes the leaf of the log. */
export interface AuditRow {
  readonly tenantId: TenantId;
  readonly id: EventId;
  readonly occurredAtMs: number;
  readonly type: string;
  readonly outcome: number;
  readonly actor: string;
  readonly objectKind: string;
  readonly objectId: string;
  readonly envelope: Uint8Array;
}
