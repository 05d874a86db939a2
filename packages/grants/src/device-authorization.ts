import type { ClientId, GrantId, Id, SessionId, UserId } from '@mono-auth/core/ids';

export interface DeviceDecision {
  readonly granted: boolean;
  readonly userId: UserId;
  readonly sessionId: SessionId;
  /** When the person had signed in. */
  readonly authTimeMs: number;
}

/** RFC 8628: what a device without a browser asks for, until somebody has decided elsewhere. */
export interface DeviceAuthorization {
  readonly id: Id<'dev'>;
  readonly clientId: ClientId;
  readonly scopes: readonly string[];
  readonly resources: readonly string[];
  /** Thumbprint of the key that alone may redeem it; undefined: none was proven when it started. */
  readonly dpopJkt: string | undefined;
  readonly intervalSeconds: number;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  readonly polledAtMs: number | undefined;
  readonly decision: DeviceDecision | undefined;
  /** Made from it already: it is used up. */
  readonly grantId: GrantId | undefined;
}

/** Lifetime of device and user code, seconds: time enough to fetch a phone and sign in (RFC 8628 §3.2 gives 1800). */
export const deviceCodeTtlSeconds = 600;
/** RFC 8628 §3.5: the default, and what each `slow_down` adds, seconds. */
export const pollIntervalSeconds = 5;

/** When the next poll is in time, or undefined when any is. */
export function nextPollMs(device: Pick<DeviceAuthorization, 'polledAtMs' | 'intervalSeconds'>): number | undefined {
  return device.polledAtMs === undefined ? undefined : device.polledAtMs + device.intervalSeconds * 1000;
}
