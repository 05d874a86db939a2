import { createPostgresEphemeral } from '@mono-auth/cache';
import { newId, type TenantId, uuidOf } from '@mono-auth/core/ids';
import { permissionsOf } from '@mono-auth/core/permissions';
import { type Caller, tenantRoles } from '@mono-auth/core/principal';
import { Feed } from '@mono-auth/feed';
import { createLocalKms, type Keyring, openKeyring, signJwt } from '@mono-auth/keys';
import { MachineService } from '@mono-auth/proto/monoauth/machines/v1/machines';
import { createTenantDirectory } from '@mono-auth/tenants';
import { FakeRuntime, openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { createRpcFetch, type RpcFetch } from '@mono-auth/transport';
import { calculateJwkThumbprint, decodeJwt, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createChallenges } from './proof.ts';
import { machineService } from './service.ts';

const baseUrl = 'https://id.example.com';
const runtime = new FakeRuntime();
const nowSeconds = () => Math.floor(runtime.nowMs() / 1000);
let db: TestDatabase;
let keys: Keyring;
let feed: Feed;
let rpc: RpcFetch;
let one: TenantId;
let two: TenantId;
const slugs = new Map<TenantId, string>();

beforeAll(async () => {
  db = await openTestDatabase();
  const { database } = db;
  one = await db.createTenantRow('one');
  two = await db.createTenantRow('two');
  slugs.set(one, 'one').set(two, 'two');
  const kms = createLocalKms(testKek);
  keys = openKeyring({ database, runtime, kms, platformIssuer: `${baseUrl}/t/one`, rootTenant: async () => one });
  const ephemeral = createPostgresEphemeral({ database, runtime });
  feed = new Feed({ database, ephemeral, keys, runtime });
  for (const tenantId of [one, two]) {
    await database.forTenant(tenantId, async (tx) => {
      await keys.provision(tx);
      await feed.provision(tx, 1);
    });
  }
  const tenants = createTenantDirectory({ database, runtime, baseUrl });
  const challenges = createChallenges({ ephemeral, runtime, secret: runtime.randomBytes(32) });
  const deps = { database, runtime, keys, challenges, feed, tenants };
  rpc = createRpcFetch({
    routes: (router) => router.service(MachineService, machineService(deps)),
    authenticate: async (authorization) => ownerOf(authorization as TenantId),
    record: async () => {},
    isPlatform: () => false,
    onRefusal: () => {},
  });
});
afterAll(() => db.close());

function ownerOf(tenantId: TenantId): Caller {
  const none = { tokenId: undefined, sessionId: undefined, clientId: undefined, act: undefined };
  const scope = new Set<string>(permissionsOf(tenantRoles[0], false));
  const requestId = newId(runtime, 'req');
  return {
    principal: 'system:platform',
    tenantId,
    tenantSlug: 'x',
    tenantRole: 'owner',
    requestId,
    ip: '',
    scope,
    ...none,
  };
}

type Answer = Record<string, unknown> & { readonly reason?: string; readonly message?: string };

/** Calls an RPC as a wire client does; `ingress` is the tenant that the path names. */
async function call(method: string, body: object, from: { as?: TenantId; ingress?: TenantId } = {}): Promise<Answer> {
  const path = `/monoauth.machines.v1.MachineService/${method}`;
  const headers = { 'content-type': 'application/json', ...(from.as && { authorization: from.as }) };
  const request = new Request(`http://localhost${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
  const tenant = from.ingress && { id: from.ingress, slug: slugs.get(from.ingress) as string };
  const response = await rpc(request, path, { requestId: newId(runtime, 'req'), ip: '', tenant });
  const answer = (await response?.json()) as Answer & { details?: { debug?: { reason?: string } }[] };
  const reason = answer.details?.find(({ debug }) => debug?.reason)?.debug?.reason;
  return reason === undefined ? answer : { ...answer, reason };
}

interface HostKeys {
  readonly privateKey: CryptoKey;
  readonly jwk: JWK;
  readonly jkt: string;
}
async function makeKeys(alg = 'ES256'): Promise<HostKeys> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  const jwk = await exportJWK(publicKey);
  return { privateKey, jwk, jkt: await calculateJwkThumbprint(jwk) };
}

const issuerOf = (tenantId: TenantId) => `${baseUrl}/t/${slugs.get(tenantId)}`;

async function proofBy(
  { privateKey, jwk }: HostKeys,
  claims: Record<string, unknown>,
  header: Record<string, unknown> = {},
): Promise<string> {
  return new SignJWT({ aud: issuerOf(one), iat: nowSeconds(), jti: runtime.uuid(), ...claims })
    .setProtectedHeader({ alg: jwk.crv === 'Ed25519' ? 'EdDSA' : 'ES256', typ: 'mono-proof+jwt', ...header })
    .sign(privateKey);
}

async function invite(over: Record<string, unknown> = {}, as = one): Promise<string> {
  const { token } = await call('CreateInvite', { hostName: runtime.uuid(), scopes: ['orders:read'], ...over }, { as });
  return token as string;
}
const nonceFor = async (credential: string) => (await call('Challenge', { credential })).nonce as string;

async function redeem(token: string, hostKeys: HostKeys, claims: Record<string, unknown> = {}, ingress?: TenantId) {
  const nonce = await nonceFor(token);
  const proof = await proofBy(hostKeys, { nonce, ...claims });
  return call('RedeemInvite', { invite: token, publicJwk: hostKeys.jwk, proof }, ingress ? { ingress } : {});
}

interface Enrolment {
  readonly id: string;
  readonly clientId: string;
  readonly joinState: string;
  readonly keys: HostKeys;
}
async function enrol(over: Record<string, unknown> = {}): Promise<Enrolment> {
  const hostKeys = await makeKeys();
  const answer = await redeem(await invite(over), hostKeys);
  const { id } = answer.host as { id: string };
  return { id, clientId: answer.clientId as string, joinState: answer.joinState as string, keys: hostKeys };
}

interface RenewOptions {
  readonly joinState: string;
  readonly keys: HostKeys;
  readonly next?: HostKeys;
  readonly requestId: string;
  readonly claims?: Record<string, unknown>;
  readonly nextClaims?: Record<string, unknown>;
}
async function renew({ joinState, keys: current, next = current, requestId, claims, nextClaims }: RenewOptions) {
  const nonce = await nonceFor(joinState);
  const proof = await proofBy(current, { nonce, request_id: requestId, next_jkt: next.jkt, ...claims });
  const nextProof = next === current ? '' : await proofBy(next, { nonce, ...nextClaims });
  return call('RenewHost', { joinState, requestId, nextPublicJwk: next.jwk, proof, nextProof });
}
const hostOf = async (id: string) => (await call('GetHost', { id }, { as: one })).host as Record<string, unknown>;
const requestId = () => runtime.uuid();

test('an invite enrols one host with the key that it proves, and the host’s client with it', async () => {
  const hostKeys = await makeKeys();
  const answer = await redeem(
    await invite({ hostName: 'build-1', audiences: ['https://orders.example.com'] }),
    hostKeys,
  );
  expect(answer).toMatchObject({
    host: { name: 'build-1', status: 'HOST_STATUS_ACTIVE', generation: '1', jkt: hostKeys.jkt },
    issuer: issuerOf(one),
  });
  const [client] = await db.admin<Record<string, unknown>>('select * from mono.clients where name = $1', ['build-1']);
  expect(client).toMatchObject({ kind: 'host', status: 'approved', scopes: ['orders:read'] });
  expect(client?.jwks).toMatchObject({ keys: [{ x: hostKeys.jwk.x, kid: hostKeys.jkt, alg: 'ES256' }] });
  const events = await db.admin<{ type: string }>('select type from mono.audit_events where object_id = $1', [
    (answer.host as { id: string }).id,
  ]);
  expect(events).toEqual([{ type: 'host.enrolled' }]);
  expect(decodeJwt(answer.joinState as string)).toMatchObject({ generation: 1, incarnation: 1 });
});

test('an Ed25519 key enrols as well, an RSA key does not', async () => {
  expect(await redeem(await invite(), await makeKeys('Ed25519'))).toHaveProperty('host');
  const rsa = await exportJWK((await generateKeyPair('RS256', { extractable: true })).publicKey);
  const ec = await makeKeys();
  expect(await redeem(await invite(), { ...ec, jwk: rsa })).toMatchObject({ reason: 'invalid_request' });
});

test('of fifty parallel redemptions of one invite one wins, and one host exists', async () => {
  const token = await invite({ hostName: 'contested' });
  const prepared = await Promise.all(
    Array.from({ length: 50 }, async () => {
      const hostKeys = await makeKeys();
      return { publicJwk: hostKeys.jwk, proof: await proofBy(hostKeys, { nonce: await nonceFor(token) }) };
    }),
  );
  const answers = await Promise.all(prepared.map((body) => call('RedeemInvite', { invite: token, ...body })));
  expect(answers.filter(({ host }) => host !== undefined)).toHaveLength(1);
  expect(answers.filter(({ reason }) => reason === 'invite_used')).toHaveLength(49);
  expect(await db.admin('select id from mono.hosts where name = $1', ['contested'])).toHaveLength(1);
  expect(await db.admin('select id from mono.clients where name = $1', ['contested'])).toHaveLength(1);
});

test('a redemption whose answer was lost is answered with the same host, to its own key and until it has renewed', async () => {
  const hostKeys = await makeKeys();
  const token = await invite({ hostName: 'lost' });
  const first = await redeem(token, hostKeys);
  const again = await redeem(token, hostKeys);
  expect([again.host, again.clientId]).toEqual([first.host, first.clientId]);
  expect(await db.admin('select id from mono.hosts where name = $1', ['lost'])).toHaveLength(1);
  await renew({ joinState: again.joinState as string, keys: hostKeys, requestId: runtime.uuid() });
  expect(await redeem(token, hostKeys)).toMatchObject({ reason: 'invite_used' });
});

test('a used and a revoked invite are refused in the same words, an expired one as an expired grant', async () => {
  const hostKeys = await makeKeys();
  const used = await invite();
  await redeem(used, hostKeys);
  const again = await redeem(used, await makeKeys());
  const revoked = await invite();
  const id = decodeJwt(revoked).jti as string;
  expect(await call('RevokeInvite', { id }, { as: one })).toMatchObject({
    invite: { status: 'INVITE_STATUS_REVOKED' },
  });
  const late = await redeem(revoked, hostKeys);
  expect(again).toMatchObject({ reason: 'invite_used' });
  expect(late).toMatchObject({ reason: 'invite_used', message: again.message as string });
  expect(await call('RevokeInvite', { id: decodeJwt(used).jti }, { as: one })).toMatchObject({ reason: 'invite_used' });

  const brief = await invite({ ttlSeconds: 60 });
  const nonce = await nonceFor(brief);
  const proof = await proofBy(hostKeys, { nonce });
  runtime.advance(61_000);
  expect(await call('RedeemInvite', { invite: brief, publicJwk: hostKeys.jwk, proof })).toMatchObject({
    reason: 'invalid_grant',
  });
  runtime.advance(60_000);
  expect(await call('Challenge', { credential: brief })).toMatchObject({ reason: 'invalid_grant' });
  expect(
    (await db.admin('select status from mono.invites where id = $1', [uuidOf(decodeJwt(brief).jti as never)]))[0],
  ).toEqual({ status: 'open' });
});

test('a proof works once, for its own credential, key and tenant', async () => {
  const hostKeys = await makeKeys();
  const [token, other] = [await invite(), await invite()];
  const body = (proof: string, over: object = {}) => ({ invite: token, publicJwk: hostKeys.jwk, proof, ...over });
  const refused = { reason: 'not_authenticated' };
  const attempts: [string, Record<string, unknown>, Record<string, unknown>?][] = [
    ['no nonce', { nonce: undefined }],
    ['a nonce that was never given', { nonce: 'AAAA' }],
    ['another credential’s nonce', { nonce: await nonceFor(other) }],
    ['another audience', { aud: issuerOf(two) }],
    ['two audiences', { aud: [issuerOf(one), issuerOf(two)] }],
    ['an old proof', { iat: nowSeconds() - 600 }],
    ['a proof from the future', { iat: nowSeconds() + 600 }],
    ['no iat', { iat: undefined }],
    ['no jti', { jti: undefined }],
    ['an assertion in place of a proof', {}, { typ: 'client-authentication+jwt' }],
    ['no typ', {}, { typ: undefined }],
  ];
  for (const [name, claims, header] of attempts) {
    const proof = await proofBy(hostKeys, { nonce: await nonceFor(token), ...claims }, header);
    expect(await call('RedeemInvite', body(proof)), name).toMatchObject(refused);
  }
  const foreign = await proofBy(await makeKeys(), { nonce: await nonceFor(token) });
  expect(await call('RedeemInvite', body(foreign)), 'another key').toMatchObject(refused);
  const late = await proofBy(hostKeys, { nonce: await nonceFor(token) });
  runtime.advance(121_000);
  expect(await call('RedeemInvite', body(late)), 'an expired nonce').toMatchObject({ reason: 'use_new_nonce' });

  const proof = await proofBy(hostKeys, { nonce: await nonceFor(token) });
  expect(await call('RedeemInvite', body(proof))).toHaveProperty('host');
  expect(await call('RedeemInvite', body(proof)), 'replayed').toMatchObject(refused);
  expect(await call('RedeemInvite', body(proof, { invite: other })), 'replayed elsewhere').toMatchObject(refused);
});

test('a proof over a challenge of a store that was lost is refused with the word to ask for a new one, and changes nothing', async () => {
  const hostKeys = await makeKeys();
  const token = await invite();
  const body = (proof: string) => ({ invite: token, publicJwk: hostKeys.jwk, proof });
  const before = await proofBy(hostKeys, { nonce: await nonceFor(token) });
  const used = await proofBy(hostKeys, { nonce: await nonceFor(token) });
  await call('RedeemInvite', body(used));
  await db.admin('truncate mono.ephemeral, mono.ephemeral_incarnation');
  for (const proof of [before, used]) {
    const answer = await call('RedeemInvite', body(proof));
    expect(answer).toMatchObject({ code: 'aborted', reason: 'use_new_nonce' });
    expect(answer.message).toContain('ask for a new challenge');
  }
  const again = await proofBy(hostKeys, { nonce: await nonceFor(token) });
  expect(await call('RedeemInvite', body(again))).toHaveProperty('host');
});

test('a credential of one tenant is not found at another, and what nobody signed is nobody’s', async () => {
  const hostKeys = await makeKeys();
  const token = await invite();
  const notFound = { reason: 'not_found', message: 'credential not found' };
  expect(await redeem(token, hostKeys, {}, two)).toMatchObject(notFound);
  expect(await call('Challenge', { credential: token }, { ingress: two })).toMatchObject(notFound);
  const claims = decodeJwt(token);
  const nobody = newId(runtime, 'ten');
  const inviteSigner = await keys.signer(one, 'invite');
  const forge = (over: object) => signJwt(inviteSigner, 'mono-invite+jwt', { ...claims, ...over });
  expect(await call('Challenge', { credential: await forge({ tenant_id: nobody }) })).toMatchObject(notFound);
  expect(await call('Challenge', { credential: await forge({ tenant_id: two }) })).toMatchObject(notFound);
  // Names the other tenant throughout, but is signed by a key of this one.
  const moved = await forge({ tenant_id: two, iss: issuerOf(two), aud: issuerOf(two) });
  expect(await call('Challenge', { credential: moved })).toMatchObject({ reason: 'not_authenticated' });
  expect(await call('Challenge', { credential: await forge({ purpose: 'other' }) })).toMatchObject({
    reason: 'not_authenticated',
  });
  const byTokenKey = await signJwt(await keys.signer(one, 'token'), 'mono-invite+jwt', claims);
  expect(await call('Challenge', { credential: byTokenKey })).toMatchObject({ reason: 'not_authenticated' });
  expect(await call('Challenge', { credential: 'no.jwt.here' })).toMatchObject({ reason: 'not_authenticated' });
  expect(await redeem(token, hostKeys, {}, one)).toHaveProperty('host');
});

test('an invite is no join state, and a join state no invite', async () => {
  const { joinState, keys: hostKeys } = await enrol();
  expect(await redeem(joinState, hostKeys)).toMatchObject({ reason: 'not_authenticated' });
  const body = { joinState: await invite(), requestId: requestId(), nextPublicJwk: hostKeys.jwk, proof: 'a.b.c' };
  expect(await call('RenewHost', body)).toMatchObject({ reason: 'not_authenticated' });
});

test('two tenants have hosts and clients of the same name; one tenant has not', async () => {
  const hostName = 'twin';
  expect(await redeem(await invite({ hostName }), await makeKeys())).toHaveProperty('host');
  const elsewhere = await redeem(await invite({ hostName }, two), await makeKeys(), { aud: issuerOf(two) });
  expect(elsewhere).toMatchObject({ host: { name: 'twin' }, issuer: issuerOf(two) });
  const { id } = elsewhere.host as { id: string };
  expect(await call('GetHost', { id }, { as: one })).toMatchObject({ reason: 'not_found', message: 'host not found' });
  const second = await invite({ hostName });
  expect(await redeem(second, await makeKeys())).toMatchObject({ reason: 'already_exists' });
  // The invite was not used up by that.
  const [row] = await db.admin('select status from mono.invites where id = $1', [
    uuidOf(decodeJwt(second).jti as never),
  ]);
  expect(row).toEqual({ status: 'open' });
});

test('a repeated idempotency key answers the same invite', async () => {
  const body = { hostName: 'again', idempotencyKey: 'k1' };
  const [first, second] = [
    await call('CreateInvite', body, { as: one }),
    await call('CreateInvite', body, { as: one }),
  ];
  expect(second.invite).toEqual(first.invite);
  expect(decodeJwt(second.token as string)).toEqual(decodeJwt(first.token as string));
  expect((await call('CreateInvite', body, { as: two })).invite).not.toEqual(first.invite);
  for (const other of [{ hostName: 'other' }, { scopes: ['orders:read'] }, { ttlSeconds: 60 }]) {
    expect(await call('CreateInvite', { ...body, ...other }, { as: one })).toMatchObject({ reason: 'invalid_request' });
  }
});

test('a suspended tenant enrols and renews nobody', async () => {
  const host = await enrol();
  const token = await invite();
  await db.admin(`update mono.tenants set status = 'suspended' where slug = 'one'`);
  try {
    expect(await redeem(token, await makeKeys())).toMatchObject({ reason: 'denied' });
    expect(await renew({ ...host, requestId: requestId() })).toMatchObject({ reason: 'denied' });
  } finally {
    await db.admin(`update mono.tenants set status = 'active' where slug = 'one'`);
  }
  expect(await redeem(token, await makeKeys())).toHaveProperty('host');
});

test('a renewal advances the generation and may change the key, which the client then has as well', async () => {
  const host = await enrol();
  const kept = await renew({ ...host, requestId: requestId() });
  expect(kept).toMatchObject({ host: { generation: '2', jkt: host.keys.jkt } });
  const next = await makeKeys();
  const joinState = kept.joinState as string;
  const changed = await renew({ ...host, joinState, next, requestId: requestId() });
  expect(changed).toMatchObject({ host: { generation: '3', jkt: next.jkt } });
  const [client] = await db.admin<{ jwks: { keys: JWK[] } }>('select jwks from mono.clients where id = $1', [
    uuidOf(host.clientId as never),
  ]);
  expect(client?.jwks.keys.map(({ kid }) => kid)).toEqual([next.jkt]);
  const third = await renew({ joinState: changed.joinState as string, keys: next, requestId: requestId() });
  expect(third).toMatchObject({ host: { generation: '4' } });
});

test('a renewal whose answer was lost is answered the same again, as often as it is asked', async () => {
  const host = await enrol();
  const next = await makeKeys();
  const same = { ...host, next, requestId: requestId() };
  const first = await renew(same);
  runtime.advance(3_600_000);
  for (let retry = 0; retry < 3; retry++) {
    const answer = await renew(same);
    expect(answer.joinState).toBe(first.joinState);
    expect(answer.host).toEqual(first.host);
  }
  expect(await hostOf(host.id)).toMatchObject({ generation: '2', status: 'HOST_STATUS_ACTIVE' });
});

test('twenty parallel sendings of one renewal advance it once and are answered alike', async () => {
  const host = await enrol();
  const same = { ...host, next: await makeKeys(), requestId: requestId() };
  const answers = await Promise.all(Array.from({ length: 20 }, () => renew(same)));
  expect(new Set(answers.map(({ joinState }) => joinState)).size).toBe(1);
  expect(await hostOf(host.id)).toMatchObject({ generation: '2' });
});

const copies: [string, (host: Enrolment, lost: string) => Promise<Answer>][] = [
  ['another request of the previous generation', (host) => renew({ ...host, requestId: requestId() })],
  [
    'the same request with another key',
    async (host, lost) => renew({ ...host, next: await makeKeys(), requestId: lost }),
  ],
  [
    'an older generation, with the latest request',
    async (host, lost) => {
      const second = await renew({ ...host, requestId: lost });
      const latest = requestId();
      await renew({ ...host, joinState: second.joinState as string, requestId: latest });
      return renew({ ...host, requestId: latest });
    },
  ],
];
test.each(copies)(
  'a clone is refused and quarantined, its tokens end and both copies stop: %s',
  async (_name, copy) => {
    const host = await enrol();
    const lost = requestId();
    const before = (await feed.state(one)).seq;
    const second = await renew({ ...host, requestId: lost });
    expect(await copy(host, lost)).toMatchObject({ reason: 'denied', message: expect.stringContaining('quarantined') });

    expect(await hostOf(host.id)).toMatchObject({ status: 'HOST_STATUS_QUARANTINED' });
    const [client] = await db.admin('select status from mono.clients where id = $1', [uuidOf(host.clientId as never)]);
    expect(client).toEqual({ status: 'suspended' });
    const agentToken = { jti: 'j', sub: 'agent:agt_x', act: { sub: `host:${host.id}` }, ep: 1, fs: before };
    expect((await feed.state(one)).isRevoked(agentToken)).toMatchObject({ revoked: true, why: 'host' });
    const events = await db.admin<{ type: string }>(
      'select type from mono.audit_events where object_id = $1 order by id',
      [host.id],
    );
    expect(events.at(-1)).toEqual({ type: 'host.quarantined' });
    const original = await renew({ ...host, joinState: second.joinState as string, requestId: requestId() });
    expect(original).toMatchObject({ reason: 'denied' });
  },
);

test('a join state without the proof of its key harms nobody', async () => {
  const host = await enrol();
  const lost = requestId();
  await renew({ ...host, requestId: lost });
  const thief = await makeKeys();
  expect(await renew({ ...host, keys: thief, requestId: requestId() })).toMatchObject({ reason: 'not_authenticated' });
  expect(await hostOf(host.id)).toMatchObject({ status: 'HOST_STATUS_ACTIVE', generation: '2' });
});

test('the proof vouches for this request and this next key, and the next key proves itself', async () => {
  const host = await enrol();
  const next = await makeKeys();
  const refused = { reason: 'not_authenticated' };
  const attempt = (over: Partial<RenewOptions>) => renew({ ...host, next, requestId: requestId(), ...over });
  expect(await attempt({ claims: { request_id: 'another-request-id' } })).toMatchObject(refused);
  expect(await attempt({ claims: { next_jkt: host.keys.jkt } })).toMatchObject(refused);
  expect(await attempt({ nextClaims: { nonce: 'AAAA' } })).toMatchObject(refused);
  expect(await attempt({ next: { ...next, privateKey: host.keys.privateKey } })).toMatchObject(refused);
  expect(await hostOf(host.id)).toMatchObject({ generation: '1' });
  expect(await attempt({})).toMatchObject({ host: { generation: '2' } });
});

test('a generation that our own signature vouches for and the database does not know is no clone', async () => {
  const host = await enrol();
  const second = await renew({ ...host, requestId: requestId() });
  await db.admin('update mono.hosts set generation = 1 where id = $1', [uuidOf(host.id as never)]);
  const answer = await renew({ ...host, joinState: second.joinState as string, requestId: requestId() });
  expect(answer).toMatchObject({ reason: 'verification_failed' });
  expect(await hostOf(host.id)).toMatchObject({ status: 'HOST_STATUS_ACTIVE' });
});

test('lists show the tenant’s own, newest first, page by page, and an invite’s state without its token', async () => {
  const hosts = (await call('ListHosts', { pageSize: 200 }, { as: one })).hosts as { id: string }[];
  const ids: string[] = [];
  let pageToken = '';
  do {
    const page = await call('ListHosts', { pageSize: 3, pageToken }, { as: one });
    ids.push(...(page.hosts as { id: string }[]).map(({ id }) => id));
    pageToken = (page.nextPageToken as string | undefined) ?? '';
  } while (pageToken !== '');
  expect(ids).toEqual(hosts.map(({ id }) => id));
  expect(ids).toEqual([...ids].sort().reverse());
  const theirs = (await call('ListHosts', {}, { as: two })).hosts as { id: string }[];
  expect(theirs.filter(({ id }) => ids.includes(id))).toEqual([]);
  await call('CreateInvite', { hostName: 'seen', ttlSeconds: 60 }, { as: two });
  const seen = async () => ((await call('ListInvites', {}, { as: two })).invites as Record<string, unknown>[])[0];
  expect(await seen()).toMatchObject({ hostName: 'seen', status: 'INVITE_STATUS_OPEN' });
  expect(await seen()).not.toHaveProperty('token');
  runtime.advance(61_000);
  expect(await seen()).toMatchObject({ hostName: 'seen', status: 'INVITE_STATUS_EXPIRED' });
});
