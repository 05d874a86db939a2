import type { Tenant } from '@mono-auth/tenants';

/** The header in which we hand Better Auth the peer's address; what a client sends under that name never arrives. */
export const addressHeader = 'x-mono-peer-address';

/** `__Host-` (RFC 6265bis §4.1.3.2) where there is TLS: no sibling host and no plain-http page can plant the cookie. */
export function sessionCookieName(tenant: Pick<Tenant, 'id' | 'issuer'>): string {
  return tenant.issuer.startsWith('https:') ? `__Host-mono.${tenant.id}` : `mono.${tenant.id}`;
}
