import { hkdfSync } from 'node:crypto';
import { hex, utf8 } from '@mono-auth/core/encoding';

/** The logins of the database, each with the least it needs; `mono_owner` owns and never logs in. */
export const logins = ['mono_app', 'mono_identity', 'mono_platform', 'mono_audit_writer'] as const;
export type Login = (typeof logins)[number];

export interface DatabaseSecrets {
  /** Key of the HMAC that `current_tenant_id()` verifies; 32 bytes. */
  readonly tenantGuardKey: Uint8Array;
  readonly passwords: Readonly<Record<Login, string>>;
}

/**
 * Derives what the database needs from the key-encryption key (HKDF-SHA-256, one label each), so that processes share
 * it without storing it.
 * @param kek 32 bytes.
 */
export function deriveDatabaseSecrets(kek: Uint8Array): DatabaseSecrets {
  const derive = (label: string) =>
    new Uint8Array(hkdfSync('sha256', kek, new Uint8Array(), utf8(`mono-auth/${label}`), 32));
  const passwords = Object.fromEntries(logins.map((login) => [login, hex(derive(`login/${login}`))]));
  return { tenantGuardKey: derive('tenant-guard'), passwords: passwords as Record<Login, string> };
}
