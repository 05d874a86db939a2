import { Refusal } from '@mono-auth/core/errors';
import { type ClientId, newId } from '@mono-auth/core/ids';
import type { Runtime } from '@mono-auth/core/runtime';
import type { TenantTx } from '@mono-auth/database';
import { keyedDigest, newCredential, sha256 } from './credential.ts';
import { deviceCodeTtlSeconds, pollIntervalSeconds } from './device-authorization.ts';
import { insertDeviceCode } from './store/device-codes.ts';
import { newUserCode, userCodeLetters } from './user-code.ts';

export interface StartDeviceInput {
  readonly clientId: ClientId;
  readonly scopes: readonly string[];
  readonly resources: readonly string[];
  readonly dpopJkt: string | undefined;
  /** Of the tenant: what user codes are stored under. */
  readonly userCodeKey: Uint8Array;
}

export interface StartedDevice {
  readonly deviceCode: string;
  readonly userCode: string;
  readonly expiresInSeconds: number;
  readonly intervalSeconds: number;
}

/** Two codes that meet by chance are less likely than one in a million also with 10,000 devices waiting. */
const attemptsMax = 3;

/** RFC 8628 §3.2: two codes, shown once and stored as digests. */
export async function startDeviceAuthorization(
  tx: TenantTx,
  runtime: Runtime,
  { userCodeKey, ...asked }: StartDeviceInput,
): Promise<StartedDevice> {
  const createdAtMs = runtime.nowMs();
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const deviceCode = newCredential(runtime, 'deviceCode');
    const userCode = newUserCode(runtime);
    const inserted = await insertDeviceCode(tx, {
      ...asked,
      id: newId(runtime, 'dev'),
      digest: sha256(deviceCode),
      userCodeDigest: keyedDigest(userCodeKey, userCodeLetters(userCode) as string),
      intervalSeconds: pollIntervalSeconds,
      createdAtMs,
      expiresAtMs: createdAtMs + deviceCodeTtlSeconds * 1000,
    });
    if (inserted) {
      return { deviceCode, userCode, expiresInSeconds: deviceCodeTtlSeconds, intervalSeconds: pollIntervalSeconds };
    }
  }
  throw new Refusal('unavailable', 'no free user code was found: try again', { retryAfterMs: 1000 });
}
