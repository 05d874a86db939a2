import { toJson } from '@bufbuild/protobuf';
import { timestampMs } from '@bufbuild/protobuf/wkt';
import { Refusal } from '@mono-auth/core/errors';
import {
  KeyPurpose,
  type RotatedKey,
  type RotateSigningKeyResponse,
  RotateSigningKeyResponseSchema,
  RotationMode,
  TenantService,
} from '@mono-auth/proto/monoauth/tenants/v1/tenants';
import type { CliContext } from '../../context.ts';
import { type OutputFlags, print } from '../../output.ts';
import { withClient } from '../../rpc.ts';

export interface RotateFlags extends OutputFlags {
  readonly purpose: RotatePurpose;
  readonly alg?: 'ES256' | 'RS256' | 'EdDSA';
  readonly compromised: boolean;
  readonly reason: string;
}

export type RotatePurpose = 'token' | 'feed' | 'invite' | 'join' | 'log';

const purposes: Readonly<Record<RotatePurpose, KeyPurpose>> = {
  token: KeyPurpose.TOKEN,
  feed: KeyPurpose.FEED,
  invite: KeyPurpose.INVITE,
  join: KeyPurpose.JOIN,
  log: KeyPurpose.LOG,
};
/** The longest that the server waits for everybody, milliseconds (monoauth.tenants.v1.RotateSigningKeyRequest.wait_ms). */
const waitMsMax = 25_000;

export default async function rotateKey(this: CliContext, flags: RotateFlags): Promise<void> {
  const answer = await withClient(this, TenantService, (client) =>
    client.rotateSigningKey({
      purpose: purposes[flags.purpose],
      alg: flags.alg ?? '',
      mode: flags.compromised ? RotationMode.COMPROMISED : RotationMode.PLANNED,
      reason: flags.reason,
      waitMs: flags.compromised ? waitMsMax : 0,
      idempotencyKey: this.runtime.uuid(),
    }),
  );
  const { rotation, receipt } = answer;
  if (!rotation) throw new Refusal('unavailable', 'rotate: the answer has no rotation');
  print(this, flags, toJson(RotateSigningKeyResponseSchema, answer), [
    `rotation    ${rotation.id}`,
    ...rotation.keys.flatMap((key) => linesOf(key, flags.compromised)),
    ...receiptLines(receipt),
  ]);
  if (receipt && receipt.enforced < receipt.registered) {
    throw new Refusal(
      'unavailable',
      `rotated, but enforced at ${receipt.enforced} of ${receipt.registered} only so far`,
    );
  }
}

function linesOf({ alg, newKid, oldKids, signsAt, oldLeavesAt }: RotatedKey, compromised: boolean): string[] {
  const at = (time: typeof signsAt) => (time ? new Date(timestampMs(time)).toISOString() : '');
  return [
    `${alg.padEnd(11)} ${newKid} signs from ${at(signsAt)}`,
    ...oldKids.map((kid) => `            ${kid} ${compromised ? 'revoked' : 'leaves'} at ${at(oldLeavesAt)}`),
  ];
}

function receiptLines(receipt: RotateSigningKeyResponse['receipt']): string[] {
  if (!receipt) return [];
  const until = receipt.jwksOnlyUntil;
  return [
    'every token and session of the tenant has ended: sign in again',
    `enforced at ${receipt.enforced} of ${receipt.registered}`,
    ...(until ? [`verifiers that only use the JWKS: until ${new Date(timestampMs(until)).toISOString()}`] : []),
  ];
}
