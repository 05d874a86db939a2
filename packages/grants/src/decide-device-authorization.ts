import { append } from '@mono-auth/audit';
import type { Ephemeral } from '@mono-auth/cache';
import { notFound, Refusal } from '@mono-auth/core/errors';
import type { TenantId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import type { Runtime } from '@mono-auth/core/runtime';
import type { TenantTx } from '@mono-auth/database';
import { keyedDigest } from './credential.ts';
import type { DeviceAuthorization, DeviceDecision } from './device-authorization.ts';
import { selectByUserCode, updateDeviceDecided } from './store/device-codes.ts';
import { userCodeLetters } from './user-code.ts';

/** Codes that one person, or one address, may try in ten minutes: enough for typing errors (RFC 8628 §5.1). */
const guessesMax = 10;
const guessWindowMs = 600_000;

/**
 * Counts an attempt to name a user code; to be asked before the code is looked up, once for the person and once for the
 * address. Not inside a transaction.
 * @param guesser who tries: an id or an address.
 * @throws Refusal `rate_limited`.
 */
export async function countUserCodeGuess(
  ephemeral: Pick<Ephemeral, 'count'>,
  tenantId: TenantId,
  guesser: string,
): Promise<void> {
  const tried = await ephemeral.count(tenantId, 'user_code_guess', guesser, guessWindowMs);
  if (tried <= guessesMax) return;
  throw new Refusal('rate_limited', `code: at most ${guessesMax} attempts in ten minutes`, {
    retryAfterMs: guessWindowMs,
  });
}

/**
 * What waits for a decision under the code that a person typed; undefined for a wrong, expired or decided one, which are
 * not told apart.
 */
export async function findDeviceAuthorization(
  tx: TenantTx,
  runtime: Runtime,
  { typed, userCodeKey }: { readonly typed: string; readonly userCodeKey: Uint8Array },
): Promise<DeviceAuthorization | undefined> {
  const letters = userCodeLetters(typed);
  const device = letters && (await selectByUserCode(tx, keyedDigest(userCodeKey, letters)));
  return device && !device.decision && device.expiresAtMs > runtime.nowMs() ? device : undefined;
}

/**
 * Keeps what a person decided about a device (RFC 8628 §3.3). Once; the device hears of it with its next poll.
 * @throws Refusal `not_found` for a wrong, expired or decided code.
 */
export async function decideDeviceAuthorization(
  tx: TenantTx,
  call: Call,
  { typed, userCodeKey, ...decision }: { readonly typed: string; readonly userCodeKey: Uint8Array } & DeviceDecision,
): Promise<void> {
  const device = await findDeviceAuthorization(tx, call.runtime, { typed, userCodeKey });
  if (!device || !(await updateDeviceDecided(tx, device.id, decision, call.runtime.nowMs()))) throw notFound('code');
  await append(tx, call, {
    type: decision.granted ? 'device.allowed' : 'device.denied',
    object: { kind: 'device_authorization', id: device.id },
    subject: `user:${decision.userId}`,
    detail: { client_id: device.clientId, scope: device.scopes.join(' '), resources: device.resources.join(' ') },
  });
}
