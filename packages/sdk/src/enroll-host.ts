import type { JsonObject } from '@bufbuild/protobuf';
import { createClient } from '@connectrpc/connect';
import { jwtSyntax } from '@mono-auth/core/encoding';
import { Refusal } from '@mono-auth/core/errors';
import { tokenBytesMax } from '@mono-auth/core/limits';
import { type Runtime, systemRuntime } from '@mono-auth/core/runtime';
import { type Host, MachineService } from '@mono-auth/proto/monoauth/machines/v1/machines';
import { decodeJwt } from 'jose';
import { answerChallenge } from './answer-challenge.ts';
import type { HostRecord, HostStore } from './host-store.ts';
import { refusalOf } from './rpc-errors.ts';
import { createRpcTransport, type Fetch } from './rpc-transport.ts';
import { generatePrivateJwk, openSigningKey } from './signing-key.ts';

/** `typ` of proofs of a key. */
export const proofType = 'mono-proof+jwt';

export interface EnrollHostOptions {
  /** `https://auth.example.com` or the tenant's issuer: the invite must come from there. */
  readonly server: string;
  /** The invite JWT. */
  readonly invite: string;
  readonly store: HostStore;
  readonly fetch?: Fetch;
  readonly runtime?: Runtime;
}

export type EnrolledRecord = HostRecord & { readonly enrolled: NonNullable<HostRecord['enrolled']> };

/**
 * Enrols this machine: makes a key, proves it and uses up the invite. Running it again with the same invite answers the
 * same host; when the first answer was lost, the same key asks again.
 * @throws Refusal `invalid_request` for an invite of another server, `already_exists` when this machine is enrolled by
 * another invite, and whatever the server refuses (`invite_used`, `invalid_grant`, …).
 */
export async function enrollHost(options: EnrollHostOptions): Promise<EnrolledRecord> {
  const { invite, store, fetch, runtime = systemRuntime } = options;
  const { issuer, inviteId } = readInvite(invite, options.server);
  const begun = await store.read();
  if (begun && begun.inviteId !== inviteId && begun.enrolled) {
    throw new Refusal('already_exists', `this machine is enrolled as ${begun.enrolled.hostName}, by another invite`);
  }
  if (begun?.enrolled) return { ...begun, enrolled: begun.enrolled };

  const samePlace = begun?.inviteId === inviteId && begun.issuer === issuer;
  const record: HostRecord = samePlace ? begun : { v: 1, issuer, inviteId, privateJwk: await generatePrivateJwk() };
  // Before anything is sent: the key that redeems the invite must outlive a crash.
  if (!samePlace) await store.write(record);

  const key = await openSigningKey(record.privateJwk, runtime);
  const client = createClient(MachineService, createRpcTransport({ issuer, fetch }));
  try {
    const answer = await answerChallenge(client, invite, async (nonce) => {
      const proof = await key.sign(proofType, { aud: issuer, nonce });
      return client.redeemInvite({ invite, publicJwk: key.publicJwk as JsonObject, proof });
    });
    if (answer.issuer !== issuer) throw new Refusal('verification_failed', 'enrolment: answered by another issuer');
    const { id, name, generation } = answer.host as Host;
    const enrolled = {
      hostId: id,
      hostName: name,
      clientId: answer.clientId,
      generation: Number(generation),
      joinState: answer.joinState,
    };
    const done = { ...record, enrolled };
    await store.write(done);
    return done;
  } catch (error) {
    throw refusalOf(error);
  }
}

/** What the invite says of itself. Not verified: the server does that; here it only decides whom we talk to. */
function readInvite(invite: string, server: string): { issuer: string; inviteId: string } {
  if (invite.length > tokenBytesMax || !jwtSyntax.test(invite)) {
    throw new Refusal('invalid_request', 'invite: not a token');
  }
  let iss: unknown;
  let jti: unknown;
  try {
    ({ iss, jti } = decodeJwt(invite));
  } catch (cause) {
    throw new Refusal('invalid_request', 'invite: not a token', { cause });
  }
  // A machine gives its key to the server that its operator named, not to one that a file names.
  const base = server.replace(/\/+$/, '');
  if (typeof iss !== 'string' || (iss !== base && !iss.startsWith(`${base}/t/`))) {
    throw new Refusal(
      'invalid_request',
      `invite: it is not of ${base}${typeof iss === 'string' ? ` but of ${iss}` : ''}`,
    );
  }
  if (typeof jti !== 'string' || jti === '') throw new Refusal('invalid_request', 'invite: it has no id');
  return { issuer: iss, inviteId: jti };
}
