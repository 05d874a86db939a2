import { hkdfSync } from 'node:crypto';
import { base64url } from '@mono-auth/core/encoding';
import { type TenantId, uuidOf } from '@mono-auth/core/ids';

export interface TenantSecrets {
  /** Signs the session cookie (Better Auth's `secret`). */
  readonly cookieSecret: string;
  /** Key of the form tokens. */
  readonly formKey: Uint8Array;
}

/** Separate keys for separate powers: each is derived (RFC 5869) from the tenant's key material with its own info. */
export function deriveTenantSecrets(tenantId: TenantId, keyMaterial: Uint8Array): TenantSecrets {
  if (keyMaterial.length < 32) throw new TypeError('identity needs at least 32 bytes of key material for a tenant');
  const derive = (use: string) =>
    new Uint8Array(hkdfSync('sha256', keyMaterial, uuidOf(tenantId), `mono-auth identity ${use}`, 32));
  return { cookieSecret: base64url(derive('session cookie')), formKey: derive('form token') };
}
