import { append } from '@mono-auth/audit';
import type { GrantId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import { updateIssuerStatus } from './store/issuers.ts';
import { requireIssuer } from './suspend-issuer.ts';
import type { TrustedIssuer } from './trusted-issuer.ts';

/** Ends a suspension; what was revoked stays revoked. @throws Refusal `not_found`. */
export async function resumeIssuer(tx: TenantTx, call: Call, id: GrantId): Promise<TrustedIssuer> {
  const issuer = await requireIssuer(tx, id);
  if (issuer.status === 'trusted') return issuer;
  await updateIssuerStatus(tx, id, 'trusted');
  await append(tx, call, { type: 'issuer.resumed', object: { kind: 'issuer', id } });
  return { ...issuer, status: 'trusted' };
}
