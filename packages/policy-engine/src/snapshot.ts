import { createHash } from 'node:crypto';
import { textOf, utf8 } from '@mono-auth/core/encoding';
import { Refusal } from '@mono-auth/core/errors';
import { isId, type TenantId } from '@mono-auth/core/ids';

/** One published policy set of one tenant: all that a service needs to decide. */
export interface PolicySnapshot {
  readonly tenantId: TenantId;
  /** 1, 2, 3 …; never goes back. */
  readonly version: number;
  readonly policyText: string;
  readonly schemaVersion: number;
}

/** Longest snapshot in bytes: a policy text of 262,144 characters, escaped, and its frame. */
const snapshotBytesMax = 2 * 1024 * 1024;

/** The canonical bytes: JSON without white space, members `v tenantId version policyText schemaVersion` in this order. */
export function encodeSnapshot(snapshot: PolicySnapshot): Uint8Array<ArrayBuffer> {
  const { tenantId, version, policyText, schemaVersion } = snapshot;
  return utf8(JSON.stringify({ v: 1, tenantId, version, policyText, schemaVersion }));
}

/** @throws Refusal `invalid_request` on anything but the canonical bytes of a snapshot. */
export function decodeSnapshot(bytes: Uint8Array): PolicySnapshot {
  const refuse = (cause?: unknown) => new Refusal('invalid_request', 'not a policy snapshot', { cause });
  if (bytes.length > snapshotBytesMax) throw refuse();
  let text: string;
  let members: Record<string, unknown>;
  try {
    text = textOf(bytes);
    members = { ...(JSON.parse(text) as object) };
  } catch (cause) {
    throw refuse(cause);
  }
  const { v, tenantId, version, policyText, schemaVersion } = members;
  const known = v === 1 && isId('ten', tenantId) && typeof policyText === 'string';
  if (!known || !isPositive(version) || !isPositive(schemaVersion)) throw refuse();
  const snapshot = { tenantId, version, policyText, schemaVersion };
  if (textOf(encodeSnapshot(snapshot)) !== text) throw refuse();
  return snapshot;
}

/** SHA-256 of a snapshot's bytes: its name, and what the tenant's statement signs. */
export function hashSnapshot(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(createHash('sha256').update(bytes).digest());
}

function isPositive(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1;
}
