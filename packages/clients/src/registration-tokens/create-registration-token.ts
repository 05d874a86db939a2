import { append } from '@mono-auth/audit';
import { base64url } from '@mono-auth/core/encoding';
import { newId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import { checkRepetition, type KeyedRequest, keyedRequest } from '@mono-auth/core/request-digest';
import type { TenantTx } from '@mono-auth/database';
import { readName } from '../client-fields.ts';
import type { Environment } from '../manifest.ts';
import { userOf } from '../require-client.ts';
import { secretDigest } from '../secrets/client-secret.ts';
import { insertRegistrationToken, selectRegistrationTokenByIdempotencyKey } from '../store/registration-tokens.ts';
import type { RegistrationToken } from './registration-token.ts';

export interface CreateRegistrationTokenInput {
  readonly label: string;
  readonly environment: Environment;
  /** 0: a day. */
  readonly ttlSeconds: number;
  readonly idempotencyKey: string | undefined;
}

/** Tells a scanner of source code and logs what it has found. */
const prefix = 'mono_iat_';
/** 256 bits, bytes. */
const tokenBytes = 32;
const ttlSecondsDefault = 86_400;

/**
 * Makes an initial access token (RFC 7591 §3), shown once. A repeated idempotency key answers the token that it has made,
 * without its text.
 * @throws Refusal `invalid_request` naming the field, the key as well when it was used for another token.
 */
export async function createRegistrationToken(
  tx: TenantTx,
  call: Call,
  input: CreateRegistrationTokenInput,
): Promise<{ token: RegistrationToken; text: string | undefined }> {
  const createdAtMs = call.runtime.nowMs();
  const token: RegistrationToken = {
    id: newId(call.runtime, 'iat'),
    label: readName(input.label, 'label'),
    environment: input.environment,
    createdAtMs,
    expiresAtMs: createdAtMs + (input.ttlSeconds || ttlSecondsDefault) * 1000,
    usedForClientId: undefined,
    revoked: false,
    ownerUserId: userOf(call.caller.principal),
  };
  const { label, environment, ttlSeconds } = input;
  const request = keyedRequest(input.idempotencyKey, { label, environment, ttlSeconds });
  const text = `${prefix}${base64url(call.runtime.randomBytes(tokenBytes))}`;
  const first = await findFirst(tx, request);
  if (first) return { token: first, text: undefined };
  if (!(await insertRegistrationToken(tx, token, secretDigest(text), request))) {
    // A parallel repetition was first; the insert has waited for it.
    const parallel = await findFirst(tx, request);
    if (parallel) return { token: parallel, text: undefined };
    throw new TypeError('two tokens have the same id or digest');
  }
  await append(tx, call, {
    type: 'registration_token.created',
    object: { kind: 'registration_token', id: token.id },
    detail: { label, environment, expires_at_ms: token.expiresAtMs },
  });
  return { token, text };
}

async function findFirst(tx: TenantTx, request: KeyedRequest | undefined): Promise<RegistrationToken | undefined> {
  const first = request && (await selectRegistrationTokenByIdempotencyKey(tx, request.key));
  if (!first) return undefined;
  checkRepetition(request, first.requestDigest, 'registration token', () => false);
  return first.token;
}
