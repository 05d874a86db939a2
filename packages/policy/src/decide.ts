import { type DecisionId, newId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import type { DecisionRequest } from '@mono-auth/policy-engine';
import type { PolicySource } from './policy-source.ts';

export interface Decision {
  readonly allowed: boolean;
  readonly decisionId: DecisionId;
  readonly policyVersion: number;
  /** Names of the policies that decided; empty on a default deny. */
  readonly reasons: string[];
  /** Why no policy could decide; always a denial. For logs and evidence. */
  readonly errors: string[];
}

/**
 * One decision by the tenant's current policy. It writes no evidence of its own: the caller's audit event, in the same
 * transaction, carries the decision's id and the policy's version (law 3).
 * @throws Refusal `unavailable` when there is no policy to decide by; then nothing may be granted.
 */
export async function decide(
  source: PolicySource,
  tx: TenantTx,
  call: Call,
  request: DecisionRequest,
): Promise<Decision> {
  const { engine, version } = await source.currentIn(tx);
  const { allowed, reasons, errors } = engine.decide(request);
  return { allowed, reasons, errors, decisionId: newId(call.runtime, 'dec'), policyVersion: version };
}
