import type { TenantId } from '@mono-auth/core/ids';
import { type AttestationSwitch, isServed } from './attestation-switch.ts';

/** What came in the headers of attestation-based client authentication; several of one name reach us joined by commas. */
export interface AttestationHeaders {
  readonly attestation: string;
  /** Absent where a DPoP proof is to stand in for it. */
  readonly pop: string | undefined;
}

/**
 * The headers, where the tenant has what they are for; elsewhere they say nothing to anybody. Who authenticates otherwise pays
 * for one look-up. Not inside a transaction.
 */
export async function readAttestationHeaders(
  deps: AttestationSwitch,
  tenantId: TenantId,
  headers: Headers,
): Promise<AttestationHeaders | undefined> {
  const attestation = headers.get('oauth-client-attestation');
  if (attestation === null || !(await isServed(deps, tenantId))) return undefined;
  return { attestation, pop: headers.get('oauth-client-attestation-pop') ?? undefined };
}
