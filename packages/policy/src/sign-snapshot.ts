import { base64url } from '@mono-auth/core/encoding';
import type { TenantId } from '@mono-auth/core/ids';
import { type Signer, signJwt } from '@mono-auth/keys';
import type { CurrentPolicy } from './policy-source.ts';

/** `typ` of the tenant's word on its current snapshot. */
const statementType = 'mono-policy+jwt';

/**
 * Signs which snapshot is the tenant's current one. By the feed key, which subscribers know by the platform root: the
 * key that signs tokens must not be able to replace the policy that judges them. `hash` is SHA-256 in base64url.
 */
export function signSnapshot(
  signer: Signer,
  tenant: { readonly id: TenantId; readonly incarnation: number },
  policy: Pick<CurrentPolicy, 'version' | 'hash'>,
  nowMs: number,
): Promise<string> {
  return signJwt(signer, statementType, {
    tenant_id: tenant.id,
    version: policy.version,
    hash: base64url(policy.hash),
    incarnation: tenant.incarnation,
    iat: Math.floor(nowMs / 1000),
  });
}
