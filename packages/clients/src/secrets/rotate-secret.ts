import { append } from '@mono-auth/audit';
import { Refusal } from '@mono-auth/core/errors';
import type { ClientId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import { checkRepetition, keyedRequest } from '@mono-auth/core/request-digest';
import type { TenantTx } from '@mono-auth/database';
import { readSecurityPolicy } from '@mono-auth/tenants';
import { requireLiving } from '../client-life.ts';
import { requireClient } from '../require-client.ts';
import { endSecret, insertSecret, selectLivingSecrets, selectSecretByIdempotencyKey } from '../store/secrets.ts';
import { type ClientSecret, freshSecret } from './client-secret.ts';
import { hasSecrets } from './first-secret.ts';

export interface RotateSecretInput {
  readonly id: ClientId;
  /** 0: a day. */
  readonly overlapSeconds: number;
  /** 0: as long as the tenant allows. */
  readonly ttlSeconds: number;
  readonly idempotencyKey: string | undefined;
}

/** How long the secret before lives on by default, seconds: a day to change what holds it. */
const overlapSecondsDefault = 86_400;
/** Secrets that live at the same time: what is in use, and what replaces it. */
const livingMax = 2;

/**
 * Makes a new secret, shown once; the one before lives on for the overlap. A repeated idempotency key answers the secret that
 * it has made, without its text: that cannot be shown again, so who has lost it retires it and rotates once more.
 * @throws Refusal `not_found`; `invalid_request` for a client without secrets or a lifetime above the ceiling, the key as well
 * when it was used for another rotation; `already_exists` while two live; `stale_version` when the client is retired.
 */
export async function rotateSecret(
  tx: TenantTx,
  call: Call,
  input: RotateSecretInput,
): Promise<{ secret: ClientSecret; text: string | undefined }> {
  const client = await requireClient(tx, input.id);
  requireLiving(client);
  const request = keyedRequest(input.idempotencyKey, { overlap: input.overlapSeconds, ttl: input.ttlSeconds });
  const first = request && (await selectSecretByIdempotencyKey(tx, client.id, request.key));
  if (first) {
    checkRepetition(request, first.requestDigest, 'rotation', () => false);
    return { secret: first.secret, text: undefined };
  }
  const methods = [client.manifest, client.proposed].map((manifest) => manifest?.authMethod ?? 'none');
  if (!methods.some(hasSecrets)) throw new Refusal('invalid_request', 'id: the client authenticates without a secret');
  const { clientSecretTtlSecondsMax: ttlMax } = await readSecurityPolicy(tx);
  if (input.ttlSeconds > ttlMax) {
    throw new Refusal('invalid_request', `ttl_seconds: at most ${ttlMax} in this tenant`);
  }
  const nowMs = call.runtime.nowMs();
  const living = await selectLivingSecrets(tx, [client.id], nowMs);
  if (living.length >= livingMax) {
    throw new Refusal('already_exists', `${livingMax} secrets live; retire one of them first`);
  }
  const endsAtMs = nowMs + (input.overlapSeconds || overlapSecondsDefault) * 1000;
  for (const { id } of living) await endSecret(tx, { clientId: client.id, id }, endsAtMs);
  const { secret, digest, text } = freshSecret(call.runtime, client.id, input.ttlSeconds || ttlMax);
  await insertSecret(tx, secret, digest, request);
  await append(tx, call, {
    type: 'client.secret_rotated',
    object: { kind: 'client', id: client.id },
    detail: { secret: secret.id, overlap_seconds: input.overlapSeconds || overlapSecondsDefault },
  });
  return { secret, text };
}
