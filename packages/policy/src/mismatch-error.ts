import type { TenantId } from '@mono-auth/core/ids';
import type { EngineDecision, Mismatch } from '@mono-auth/policy-engine';

/**
 * What the operator's log is told when compiled policies and Cedar did not agree: enough to find the decision in the
 * evidence and the policies that differ, and nothing that identifies the person who asked.
 */
export function mismatchError(tenantId: TenantId, version: number, { request, compiled, cedar }: Mismatch): Error {
  const asked = `${request.context.get('operation')} of ${request.resource.kind} by ${request.principal.type}`;
  return new Error(
    `policy ${version} of ${tenantId}: compiled and Cedar differ on ${asked} (${told(compiled)}; Cedar: ${told(cedar)}); Cedar decides by it from now on`,
  );
}

function told({ allowed, reasons, errors }: EngineDecision): string {
  return [allowed ? 'allowed' : 'denied', ...reasons, ...errors].join(' ');
}
