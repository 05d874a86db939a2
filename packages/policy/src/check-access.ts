import { append } from '@mono-auth/audit';
import type { Call } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import type { DecisionRequest } from '@mono-auth/policy-engine';
import { type Decision, decide } from './decide.ts';
import type { PolicySource } from './policy-source.ts';

/** Longest text of the engine's errors in the evidence, characters. */
const errorCharsMax = 500;

/** Decides for a service that asks, and records what was asked and answered in the same transaction. */
export async function checkAccess(
  source: PolicySource,
  tx: TenantTx,
  call: Call,
  request: DecisionRequest,
): Promise<Decision> {
  const decision = await decide(source, tx, call, request);
  const { allowed, reasons, errors } = decision;
  await append(tx, call, {
    type: 'policy.decided',
    outcome: allowed ? 'success' : 'denied',
    ...(!allowed && { reason: 'denied' }),
    object: { kind: request.resource.type, id: request.resource.id },
    decisionId: decision.decisionId,
    policyVersion: decision.policyVersion,
    detail: {
      principal: request.principal,
      action: request.action,
      reasons: reasons.join(' '),
      ...(errors.length > 0 && { errors: errors.join('; ').slice(0, errorCharsMax) }),
    },
  });
  return decision;
}
