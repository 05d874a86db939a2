import { Refusal } from '@mono-auth/core/errors';
import { newId } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import {
  MachineService,
  type RedeemInviteRequest,
  type RenewHostRequest,
} from '@mono-auth/proto/monoauth/machines/v1/machines';
import { calculateJwkThumbprint, createLocalJWKSet, type JWK, jwtVerify } from 'jose';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { enrollHost } from './enroll-host.ts';
import type { HostRecord, HostStore } from './host-store.ts';
import { renewHost } from './renew-host.ts';
import { FakeIssuer } from './testing/fake-issuer.ts';

let issuer: FakeIssuer;
let redeemed: RedeemInviteRequest[] = [];
let renewed: RenewHostRequest[] = [];
let challenges = 0;
/** Answers are lost on the way while this is set. */
let loseAnswers = false;
/** How many proofs are refused because their nonce was lost. */
let losesNonces = 0;

function checkNonce(): void {
  if (losesNonces-- > 0) throw new Refusal('use_new_nonce', 'lost');
}

beforeEach(async () => {
  [redeemed, renewed, loseAnswers, losesNonces, challenges] = [[], [], false, 0, 0];
  const host = (generation: number) => ({
    id: newId(systemRuntime, 'hst'),
    name: 'web-1',
    generation: BigInt(generation),
  });
  issuer = await FakeIssuer.start((router, { url }) =>
    router.service(MachineService, {
      challenge({ credential }) {
        challenges++;
        return { nonce: `nonce for ${credential.slice(0, 8)}` };
      },
      redeemInvite(request) {
        redeemed.push(request);
        checkNonce();
        if (loseAnswers) throw new Refusal('unavailable', 'lost');
        return { host: host(1), clientId: 'cli_1', joinState: 'join.state.one', issuer: url };
      },
      renewHost(request) {
        renewed.push(request);
        checkNonce();
        if (loseAnswers) throw new Refusal('unavailable', 'lost');
        return { host: host(2), joinState: 'join.state.two' };
      },
    }),
  );
});
afterEach(() => issuer.stop());

function memory(): HostStore & { record?: HostRecord; writes: HostRecord[] } {
  const store: HostStore & { record?: HostRecord; writes: HostRecord[] } = {
    writes: [],
    read: async () => store.record,
    write: async (record) => {
      store.record = record;
      store.writes.push(record);
    },
  };
  return store;
}

const inviteOf = (iss = issuer.url) => issuer.mint({ iss, aud: iss, jti: newId(systemRuntime, 'inv') });
const server = () => issuer.url.slice(0, issuer.url.indexOf('/t/'));

async function proven(proof: string, key: object) {
  const { d: _, ...publicJwk } = key as JWK;
  const verified = await jwtVerify(proof, createLocalJWKSet({ keys: [publicJwk] }), { audience: issuer.url });
  expect(verified.protectedHeader.typ).toBe('mono-proof+jwt');
  return verified.payload;
}

test('a nonce that the server has lost is asked for again, under the same key and request, and not for ever', async () => {
  const store = memory();
  const invite = await inviteOf();
  losesNonces = 2;
  await enrollHost({ server: server(), invite, store });
  expect([redeemed.length, challenges]).toEqual([3, 3]);
  expect(new Set(redeemed.map(({ publicJwk }) => JSON.stringify(publicJwk))).size).toBe(1);
  losesNonces = 2;
  await renewHost({ store });
  expect(renewed).toHaveLength(3);
  expect(new Set(renewed.map(({ requestId }) => requestId)).size).toBe(1);
  losesNonces = 9;
  await expect(renewHost({ store })).rejects.toMatchObject({ reason: 'use_new_nonce' });
  expect(renewed).toHaveLength(6);
});

describe('enrolment', () => {
  test('proves a key of its own, which never leaves, over the challenge for this invite', async () => {
    const store = memory();
    const invite = await inviteOf();
    const record = await enrollHost({ server: server(), invite, store });
    const [{ publicJwk, proof } = {} as RedeemInviteRequest] = redeemed;
    expect(publicJwk).not.toHaveProperty('d');
    expect(await proven(proof, publicJwk as object)).toMatchObject({ nonce: `nonce for ${invite.slice(0, 8)}` });
    expect(record.enrolled).toMatchObject({ hostName: 'web-1', clientId: 'cli_1', generation: 1 });
    expect(store.writes[0]).not.toHaveProperty('enrolled');
    expect(store.writes[0]?.privateJwk).toEqual(record.privateJwk);
  });

  test('run again answers the same host and asks nobody', async () => {
    const store = memory();
    const invite = await inviteOf();
    const first = await enrollHost({ server: server(), invite, store });
    expect(await enrollHost({ server: server(), invite, store })).toEqual(first);
    expect(redeemed).toHaveLength(1);
  });

  test('after a lost answer asks again with the same key', async () => {
    const store = memory();
    const invite = await inviteOf();
    loseAnswers = true;
    await expect(enrollHost({ server: server(), invite, store })).rejects.toMatchObject({ reason: 'unavailable' });
    loseAnswers = false;
    await enrollHost({ server: server(), invite, store });
    expect(redeemed[1]?.publicJwk).toEqual(redeemed[0]?.publicJwk);
  });

  test('is refused to a machine that another invite has enrolled', async () => {
    const store = memory();
    await enrollHost({ server: server(), invite: await inviteOf(), store });
    const again = enrollHost({ server: server(), invite: await inviteOf(), store });
    await expect(again).rejects.toMatchObject({ reason: 'already_exists' });
  });

  test.each([
    ['of another server', 'https://evil.test/t/tenant'],
    ['of a server whose name begins alike', 'http://127.0.0.1.evil.test/t/tenant'],
  ])('an invite %s is sent nowhere', async (_, iss) => {
    const enrolling = enrollHost({ server: server(), invite: await inviteOf(iss), store: memory() });
    await expect(enrolling).rejects.toMatchObject({ reason: 'invalid_request' });
    expect(redeemed).toHaveLength(0);
  });
});

describe('renewal', () => {
  async function enrolled() {
    const store = memory();
    await enrollHost({ server: server(), invite: await inviteOf(), store });
    return store;
  }

  test('is written down before it is sent, and proves both keys', async () => {
    const store = await enrolled();
    const before = store.record as HostRecord;
    const after = await renewHost({ store, rotateKey: true });
    const [request = {} as RenewHostRequest] = renewed;
    const next = request.nextPublicJwk as object;
    expect(store.writes.at(-2)?.renewal).toMatchObject({ generation: 1, requestId: request.requestId });
    expect(await proven(request.proof, before.privateJwk)).toMatchObject({
      request_id: request.requestId,
      next_jkt: await calculateJwkThumbprint(next as JWK),
    });
    await proven(request.nextProof, next);
    expect(after.enrolled).toMatchObject({ generation: 2, joinState: 'join.state.two' });
    expect(after.privateJwk).not.toEqual(before.privateJwk);
    expect(after).not.toHaveProperty('renewal');
  });

  test('whose answer was lost is the same renewal when it is repeated', async () => {
    const store = await enrolled();
    loseAnswers = true;
    await expect(renewHost({ store, rotateKey: true })).rejects.toMatchObject({ reason: 'unavailable' });
    loseAnswers = false;
    await renewHost({ store, rotateKey: true });
    const [first, second] = renewed;
    expect(second?.requestId).toBe(first?.requestId);
    expect(second?.nextPublicJwk).toEqual(first?.nextPublicJwk);
  });

  test('without rotation keeps the key and sends one proof', async () => {
    const store = await enrolled();
    const before = store.record as HostRecord;
    const after = await renewHost({ store });
    expect(after.privateJwk).toEqual(before.privateJwk);
    expect(renewed[0]?.nextProof).toBe('');
  });

  test('of a machine that is not enrolled is refused', async () => {
    await expect(renewHost({ store: memory() })).rejects.toMatchObject({ reason: 'invalid_request' });
  });
});
