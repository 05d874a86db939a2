import { createHmac } from 'node:crypto';
import { base64url, equalBytes, utf8 } from '@mono-auth/core/encoding';
import type { TenantId } from '@mono-auth/core/ids';

/**
 * The token that a form must send back: bound to the tenant, to a random value in this browser's cookie, to who was
 * signed in when the form was shown, so that one obtained before a sign-in says nothing after it, and to what the form
 * is about, so that the yes to one request is none to another.
 */
export function formToken(key: Uint8Array, tenantId: TenantId, nonce: string, session: string, about = ''): string {
  return base64url(createHmac('sha256', key).update(`form|${tenantId}|${nonce}|${session}|${about}`).digest());
}

export function isFormToken(expected: string, sent: unknown): boolean {
  return typeof sent === 'string' && equalBytes(utf8(expected), utf8(sent));
}
