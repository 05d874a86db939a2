import { newId } from '@mono-auth/core/ids';
import { type Caller, callerWithoutToken } from '@mono-auth/core/principal';
import type { Runtime } from '@mono-auth/core/runtime';
import type { Database } from '@mono-auth/database';
import type { Denial } from '@mono-auth/transport';
import { auditRow } from './event.ts';

/**
 * Writes the evidence of a refused call: transport's `record`. It is no part of a transaction, because nothing else
 * is written. Where no tenant is known there is no log that it could belong to.
 * @throws Refusal `audit_unavailable` when it cannot be written.
 */
export async function recordDenial(database: Database, runtime: Runtime, denial: Denial): Promise<void> {
  const caller = denial.caller ?? anonymousCaller(denial);
  if (!caller) return;
  const { method, permission, refusal } = denial;
  const event = {
    type: 'access.refused',
    outcome: 'denied',
    reason: refusal.reason,
    object: { kind: 'rpc', id: method },
    detail: { permission },
  } as const;
  await database.appendAudit([auditRow(newId(runtime, 'evt'), runtime.nowMs(), caller, event)]);
}

/** Nobody was proven: only the edge says which tenant was spoken to. */
function anonymousCaller({ ingress }: Denial): Caller | undefined {
  if (!ingress.tenant) return undefined;
  const { tenant, requestId, ip } = ingress;
  return callerWithoutToken({ principal: 'anonymous:', tenant, requestId, ip });
}
