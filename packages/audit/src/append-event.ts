import { Refusal } from '@mono-auth/core/errors';
import { type EventId, newId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import { bundle } from '@mono-auth/log-engine';
import { type AuditEvent, auditRow } from './event.ts';

/**
 * Writes the evidence of what this transaction does: both are kept, or neither (law 3).
 * @throws Refusal `audit_unavailable` when it cannot be written; `too_large` when it would be no entry of the log.
 */
export async function append(tx: TenantTx, call: Call, event: AuditEvent): Promise<EventId> {
  const { caller, runtime } = call;
  if (caller.tenantId !== tx.tenantId) throw new TypeError('the call belongs to another tenant than the transaction');
  const id = newId(runtime, 'evt');
  const row = auditRow(id, runtime.nowMs(), caller, event);
  if (row.envelope.length > bundle.entryBytesMax) throw new Refusal('too_large', 'the audit event is too long');
  try {
    await tx.appendAudit([row]);
  } catch (cause) {
    throw new Refusal('audit_unavailable', 'the audit log cannot be written now', { cause, retryAfterMs: 1000 });
  }
  return id;
}
