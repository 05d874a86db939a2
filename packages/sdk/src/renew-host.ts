import type { JsonObject } from '@bufbuild/protobuf';
import { type Client, createClient } from '@connectrpc/connect';
import { Refusal } from '@mono-auth/core/errors';
import { type Runtime, systemRuntime } from '@mono-auth/core/runtime';
import { type Host, MachineService } from '@mono-auth/proto/monoauth/machines/v1/machines';
import { answerChallenge } from './answer-challenge.ts';
import { type EnrolledRecord, proofType } from './enroll-host.ts';
import type { HostStore, PendingRenewal } from './host-store.ts';
import { refusalOf } from './rpc-errors.ts';
import { createRpcTransport, type Fetch } from './rpc-transport.ts';
import { generatePrivateJwk, openSigningKey, type SigningKey } from './signing-key.ts';

export interface RenewHostOptions {
  readonly store: HostStore;
  /** Make a new key with this generation; without it the current one is kept. */
  readonly rotateKey?: boolean;
  readonly fetch?: Fetch;
  readonly runtime?: Runtime;
}

/**
 * Advances the host's generation. What will be sent is written down first (generation, request id, next key), so a
 * repetition after a crash or a lost answer is the same renewal; a second one with an old generation would look like a
 * clone and have the host quarantined.
 * @throws Refusal `invalid_request` when this machine is not enrolled, and whatever the server refuses.
 */
export async function renewHost({ store, fetch, ...options }: RenewHostOptions): Promise<EnrolledRecord> {
  const { runtime = systemRuntime, rotateKey = false } = options;
  const record = await store.read();
  const enrolled = record?.enrolled;
  if (!record || !enrolled) throw new Refusal('invalid_request', 'this machine is not enrolled');
  const { generation } = enrolled;
  const renewal: PendingRenewal = record.renewal ?? {
    generation,
    requestId: runtime.uuid(),
    nextPrivateJwk: rotateKey ? await generatePrivateJwk() : record.privateJwk,
  };
  if (!record.renewal) await store.write({ ...record, renewal });

  const [current, next] = await Promise.all([
    openSigningKey(record.privateJwk, runtime),
    openSigningKey(renewal.nextPrivateJwk, runtime),
  ]);
  const client = createClient(MachineService, createRpcTransport({ issuer: record.issuer, fetch }));
  try {
    const request = { issuer: record.issuer, joinState: enrolled.joinState, requestId: renewal.requestId };
    const { host, joinState } = await sendRenewal(client, request, current, next);
    const { issuer, inviteId, v } = record;
    const renewed: EnrolledRecord = {
      ...{ v, issuer, inviteId, privateJwk: renewal.nextPrivateJwk },
      enrolled: { ...enrolled, generation: Number((host as Host).generation), joinState },
    };
    await store.write(renewed);
    return renewed;
  } catch (error) {
    throw refusalOf(error);
  }
}

async function sendRenewal(
  client: Client<typeof MachineService>,
  { issuer, joinState, requestId }: { issuer: string; joinState: string; requestId: string },
  current: SigningKey,
  next: SigningKey,
) {
  return answerChallenge(client, joinState, async (nonce) => {
    const statement = { aud: issuer, nonce };
    const proof = await current.sign(proofType, { ...statement, request_id: requestId, next_jkt: next.jkt });
    const nextProof = next.jkt === current.jkt ? '' : await next.sign(proofType, statement);
    const nextPublicJwk = next.publicJwk as JsonObject;
    return client.renewHost({ joinState, requestId, nextPublicJwk, proof, nextProof });
  });
}
