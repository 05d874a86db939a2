import { hex } from '@mono-auth/core/encoding';
import type { Runtime } from '@mono-auth/core/runtime';
import type { Tenant } from '@mono-auth/tenants';
import type { Context } from 'hono';
import { getCookie, setCookie } from 'hono/cookie';

const noncePattern = /^[0-9a-f]{64}$/;

/** The random value of this browser that its form tokens are bound to; set when it has none. */
export function formNonce(c: Context, tenant: Tenant, runtime: Runtime): string {
  const known = readFormNonce(c, tenant);
  if (known) return known;
  const nonce = hex(runtime.randomBytes(32));
  const secure = tenant.issuer.startsWith('https:');
  setCookie(c, cookieName(tenant), nonce, { path: '/', httpOnly: true, sameSite: 'Lax', secure });
  return nonce;
}

export function readFormNonce(c: Context, tenant: Tenant): string | undefined {
  const value = getCookie(c, cookieName(tenant));
  return value !== undefined && noncePattern.test(value) ? value : undefined;
}

function cookieName({ id, issuer }: Tenant): string {
  return issuer.startsWith('https:') ? `__Host-mono-form.${id}` : `mono-form.${id}`;
}
