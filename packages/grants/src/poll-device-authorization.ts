import { Refusal } from '@mono-auth/core/errors';
import type { ClientId, GrantId } from '@mono-auth/core/ids';
import type { Runtime } from '@mono-auth/core/runtime';
import type { TenantTx } from '@mono-auth/database';
import { credentialDigest } from './credential.ts';
import {
  type DeviceAuthorization,
  type DeviceDecision,
  nextPollMs,
  pollIntervalSeconds,
} from './device-authorization.ts';
import { lockDeviceCode, updateDeviceGranted, updateDevicePolled } from './store/device-codes.ts';

export type AllowedDevice = DeviceAuthorization & { readonly decision: DeviceDecision };

/**
 * What a device hears that asks whether somebody has decided (RFC 8628 §3.5). It holds the row, so that parallel polls see
 * each other; a poll that is not in time makes the interval longer, which is kept although it is refused.
 * @returns the authorization once it is allowed; `takeDeviceAuthorization` uses it up.
 * @throws Refusal `invalid_grant`, `expired_token`, `authorization_denied`, `slow_down`, `authorization_pending`.
 */
export async function pollDeviceAuthorization(
  tx: TenantTx,
  runtime: Runtime,
  { deviceCode, clientId }: { readonly deviceCode: string; readonly clientId: ClientId },
): Promise<AllowedDevice> {
  const digest = credentialDigest('deviceCode', deviceCode);
  const device = digest && (await lockDeviceCode(tx, digest));
  // Another client's code and one that never was are answered alike.
  if (device?.clientId !== clientId) throw new Refusal('invalid_grant', 'device_code: is not valid');
  if (device.grantId) throw new Refusal('invalid_grant', 'device_code: is not valid');
  const nowMs = runtime.nowMs();
  if (device.expiresAtMs <= nowMs) throw new Refusal('expired_token', 'device_code: has expired; start again');
  const { decision } = device;
  if (decision?.granted) return { ...device, decision };
  if (decision) throw new Refusal('authorization_denied', 'the person did not allow it');
  const tooEarly = nowMs < (nextPollMs(device) ?? 0);
  const intervalSeconds = device.intervalSeconds + (tooEarly ? pollIntervalSeconds : 0);
  await updateDevicePolled(tx, device.id, nowMs, intervalSeconds);
  if (tooEarly) throw new Refusal('slow_down', `ask every ${intervalSeconds} seconds`);
  throw new Refusal('authorization_pending', 'nobody has decided yet');
}

/** Uses the authorization up for its grant. Answers false when it was used before. */
export function takeDeviceAuthorization(tx: TenantTx, device: AllowedDevice, grantId: GrantId): Promise<boolean> {
  return updateDeviceGranted(tx, device.id, grantId);
}
