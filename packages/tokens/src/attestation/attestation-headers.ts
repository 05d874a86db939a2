import type { TenantId } from '@mono-auth/core/ids';
import { type AttestationSwitch, isServed } from './attestation-switch.ts';

/** What came in the headers of attestation-based client authentication; several of one name reach us joined by commas. */
export interface AttestationHeaders {
  readonly attestation: string;
  /** Absent where a DPoP proof is to stand in for it. */
  readonly pop: string | undefined;
}

/** Undefined for all who authenticate otherwise, at the price of one look-up. */
export function attestationHeadersOf(headers: Headers): AttestationHeaders | undefined {
  const attestation = headers.get('oauth-client-attestation');
  if (attestation === null) return undefined;
  return { attestation, pop: headers.get('oauth-client-attestation-pop') ?? undefined };
}

/** The headers, where the tenant has what they are for; elsewhere they say nothing to anybody. Not inside a transaction. */
export async function whereServed(
  deps: AttestationSwitch,
  tenantId: TenantId,
  headers: AttestationHeaders,
): Promise<AttestationHeaders | undefined> {
  return (await isServed(deps, tenantId)) ? headers : undefined;
}
