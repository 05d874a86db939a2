import { createHmac } from 'node:crypto';
import { type TenantId, uuidOf } from '@mono-auth/core/ids';

/**
 * The value of `app.tenant_id`: the tenant and a MAC over tenant and backend pid. SQL that somebody smuggles in can
 * write the setting but cannot compute the MAC, so `current_tenant_id()` refuses the switch.
 */
export function guardedTenant(key: Uint8Array, tenantId: TenantId, backendPid: number): string {
  const uuid = uuidOf(tenantId);
  const mac = createHmac('sha256', key).update(`${uuid}|${backendPid}`).digest('hex');
  return `${uuid}|${mac}`;
}

/** The two padded key blocks of HMAC-SHA-256 (RFC 2104 §2), kept in the owner's table so that SQL needs two hashes only. */
export function guardKeyBlocks(key: Uint8Array): { inner: Buffer; outer: Buffer } {
  const block = Buffer.alloc(64);
  block.set(key);
  return { inner: Buffer.from(block.map((byte) => byte ^ 0x36)), outer: Buffer.from(block.map((byte) => byte ^ 0x5c)) };
}
