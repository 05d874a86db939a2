import { createHmac } from 'node:crypto';
import { base64url, equalBytes, utf8 } from '@mono-auth/core/encoding';
import type { TenantId } from '@mono-auth/core/ids';

/**
 * The token that a form must send back: bound to the tenant, to a random value in this browser's cookie and to who was
 * signed in when the form was shown, so that one obtained before a sign-in says nothing after it.
 */
export function formToken(key: Uint8Array, tenantId: TenantId, nonce: string, session: string): string {
  return base64url(createHmac('sha256', key).update(`${tenantId}|${nonce}|${session}`).digest());
}

export function isFormToken(expected: string, sent: unknown): boolean {
  return typeof sent === 'string' && equalBytes(utf8(expected), utf8(sent));
}
