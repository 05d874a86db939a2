import { createClient } from '@mono-auth/clients';
import { type HostId, newId, type TenantId, type UserId, uuidOf } from '@mono-auth/core/ids';
import type { Call, Principal } from '@mono-auth/core/principal';
import { Feed } from '@mono-auth/feed';
import { createLocalKms, type Keyring, openKeyring } from '@mono-auth/keys';
import { addMember } from '@mono-auth/tenants';
import { FakeRuntime, openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { exportJWK, generateKeyPair } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Agent } from './agent.ts';
import { type CreateAgentInput, createAgent } from './create-agent.ts';
import { createInvite } from './create-invite.ts';
import type { Host } from './host.ts';
import { readHostKey } from './host-key.ts';
import { hostParticipant } from './host-participant.ts';
import { redeemInvite } from './redeem-invite.ts';
import { selectAgent, selectAgents } from './store/agents.ts';
import { selectHost } from './store/hosts.ts';

const baseUrl = 'https://id.example.com';
const runtime = new FakeRuntime();
let db: TestDatabase;
let keys: Keyring;
let feed: Feed;
let one: TenantId;
let two: TenantId;
/** A member of `one`, a member of `two`, and a user of `one` who is no member. */
let ada: UserId;
let bob: UserId;
let guest: UserId;

beforeAll(async () => {
  db = await openTestDatabase();
  const { database } = db;
  one = await db.createTenantRow('one');
  two = await db.createTenantRow('two');
  const kms = createLocalKms(testKek);
  keys = openKeyring({ database, runtime, kms, platformIssuer: `${baseUrl}/t/one`, rootTenant: async () => one });
  const wakeUps = { publish: async () => {}, subscribe: async () => () => {} };
  feed = new Feed({ database, ephemeral: wakeUps, keys, runtime });
  for (const tenantId of [one, two]) {
    await database.forTenant(tenantId, async (tx) => {
      await keys.provision(tx);
      await feed.provision(tx, 1);
    });
  }
  ada = await makeUser(one, true);
  bob = await makeUser(two, true);
  guest = await makeUser(one, false);
});
afterAll(() => db.close());

async function makeUser(tenantId: TenantId, isMember: boolean): Promise<UserId> {
  const id = newId(runtime, 'usr');
  await db.admin(
    `insert into identity."user" (tenant_id, id, name, email, "emailVerified", "createdAt", "updatedAt", banned)
     values ($1, $2, 'Somebody', $3, true, '2026-01-01', '2026-01-01', false)`,
    [uuidOf(tenantId), uuidOf(id), `${id}@example.com`],
  );
  if (isMember) await db.database.forTenant(tenantId, (tx) => addMember(tx, id, 'member', runtime.nowMs()));
  return id;
}

function callIn(tenantId: TenantId, principal: Principal = 'system:platform'): Call {
  const none = { tenantRole: undefined, tokenId: undefined, sessionId: undefined, clientId: undefined, act: undefined };
  const requestId = newId(runtime, 'req');
  return { runtime, caller: { principal, tenantId, tenantSlug: 'x', requestId, ip: '', scope: new Set(), ...none } };
}

async function enrol(tenantId: TenantId, hostName: string = runtime.uuid()): Promise<Host> {
  const call = callIn(tenantId);
  const input = { hostName, ttlSeconds: 0, scopes: ['orders:read', 'orders:write'], audiences: [] };
  const { publicKey } = await generateKeyPair('ES256', { extractable: true });
  const key = await readHostKey(await exportJWK(publicKey), 'public_jwk');
  const joinSigner = await keys.signer(tenantId, 'join');
  return db.database.forTenant(tenantId, async (tx) => {
    const invite = await createInvite(tx, call, { ...input, idempotencyKey: undefined });
    const redeemed = { inviteId: invite.id, hostId: newId(runtime, 'hst'), key, issuer: `${baseUrl}/t/x`, joinSigner };
    return (await redeemInvite(tx, call, redeemed)).host;
  });
}

function register(tenantId: TenantId, hostId: HostId, over: Partial<CreateAgentInput> = {}, as?: Principal) {
  const fixed = { hostId, name: runtime.uuid(), ownerUserId: ada, scopes: ['orders:read'], idempotencyKey: undefined };
  const call = callIn(tenantId, as);
  return db.database.forTenant(tenantId, (tx) => createAgent(tx, call, { ...fixed, ...over }));
}
const stateOf = (host: Host) => db.database.forTenant(one, (tx) => selectHost(tx, host.id));
const refused = (reason: string) => ({ reason });

test('an agent has an owner of its tenant: the one who is named, or the person who calls', async () => {
  const host = await enrol(one);
  expect(await register(one, host.id)).toMatchObject({ ownerUserId: ada, hostId: host.id, status: 'active' });
  const own = await register(one, host.id, { ownerUserId: undefined }, `user:${ada}`);
  expect(own.ownerUserId).toBe(ada);
  await expect(register(one, host.id, { ownerUserId: undefined })).rejects.toMatchObject(refused('invalid_request'));
  const asHost = register(one, host.id, { ownerUserId: undefined }, `host:${host.id}`);
  await expect(asHost).rejects.toMatchObject(refused('invalid_request'));
});

test('an owner of another tenant, one who is no member and one who never was are not found alike', async () => {
  const host = await enrol(one);
  for (const ownerUserId of [bob, guest, newId(runtime, 'usr')]) {
    const attempt = register(one, host.id, { ownerUserId });
    await expect(attempt).rejects.toMatchObject({ reason: 'not_found', detail: 'user not found' });
  }
});

test('an agent never holds a scope that its host may not ask for', async () => {
  const host = await enrol(one);
  const whole = await register(one, host.id, { scopes: ['orders:read', 'orders:write'] });
  expect(whole.scopes).toEqual(['orders:read', 'orders:write']);
  for (const scopes of [['orders:delete'], ['orders:read', 'policy:publish']]) {
    await expect(register(one, host.id, { scopes })).rejects.toMatchObject(refused('invalid_scope'));
  }
});

test('a living name is one agent’s on its host; other hosts and tenants have their own', async () => {
  const [host, neighbour, elsewhere] = [await enrol(one), await enrol(one), await enrol(two)];
  await register(one, host.id, { name: 'clerk' });
  await expect(register(one, host.id, { name: 'clerk' })).rejects.toMatchObject(refused('already_exists'));
  expect((await register(one, neighbour.id, { name: 'clerk' })).name).toBe('clerk');
  expect((await register(two, elsewhere.id, { name: 'clerk', ownerUserId: bob })).name).toBe('clerk');
});

test('a repeated idempotency key answers the same agent, also in parallel', async () => {
  const host = await enrol(one);
  const made = await Promise.all(
    Array.from({ length: 5 }, () => register(one, host.id, { name: 'a1', idempotencyKey: 'a1' })),
  );
  expect(new Set(made.map(({ id }) => id)).size).toBe(1);
  const other = register(one, host.id, { name: 'a2', idempotencyKey: 'a1' });
  await expect(other).rejects.toMatchObject(refused('invalid_request'));
});

test('a repeated idempotency key answers the same agent also when that has been changed meanwhile', async () => {
  const host = await enrol(one);
  const asked = { name: 'renamed', idempotencyKey: 'renamed' };
  const { id } = await register(one, host.id, asked);
  await db.admin("update mono.agents set name = 'another', scopes = '{}' where id = $1", [uuidOf(id)]);
  expect(await register(one, host.id, asked)).toMatchObject({ id, name: 'another' });
  const changed = register(one, host.id, { ...asked, name: 'another', scopes: [] });
  await expect(changed).rejects.toMatchObject(refused('invalid_request'));
  // A release that kept no digest compares what is there.
  await db.admin('update mono.agents set request_digest = null where id = $1', [uuidOf(id)]);
  await expect(register(one, host.id, asked)).rejects.toMatchObject(refused('invalid_request'));
});

test('a host that is quarantined, revoked or of another tenant takes no agent', async () => {
  const host = await enrol(one);
  for (const status of ['quarantined', 'revoked']) {
    await db.admin('update mono.hosts set status = $1 where id = $2', [status, uuidOf(host.id)]);
    await expect(register(one, host.id)).rejects.toMatchObject(refused('denied'));
  }
  const elsewhere = await enrol(two);
  await expect(register(one, elsewhere.id)).rejects.toMatchObject({ reason: 'not_found', detail: 'host not found' });
});

test('agents are read and listed inside their tenant alone', async () => {
  const host = await enrol(one);
  const made: Agent[] = [];
  for (let at = 0; at < 3; at++) made.push(await register(one, host.id));
  const list = (tenantId: TenantId, hostId?: HostId) =>
    db.database.forTenant(tenantId, (tx) => selectAgents(tx, { after: undefined, hostId }, 200));
  expect((await list(one, host.id)).map(({ id }) => id)).toEqual(made.map(({ id }) => id).reverse());
  expect(await list(two, host.id)).toEqual([]);
  const [first] = made as [Agent];
  expect(await db.database.forTenant(one, (tx) => selectAgent(tx, first.id))).toEqual(first);
  expect(await db.database.forTenant(two, (tx) => selectAgent(tx, first.id))).toBeUndefined();
});

test('a preview tells what a revocation takes, and changes nothing', async () => {
  const host = await enrol(one);
  await register(one, host.id);
  await register(one, host.id);
  const target = { kind: 'host', id: host.id } as const;
  const participant = hostParticipant();
  const told = await db.database.forTenant(one, (tx) => participant.preview(tx, target));
  expect(told).toEqual([
    { kind: 'host', count: 1 },
    { kind: 'client', count: 1 },
    { kind: 'agent', count: 2 },
  ]);
  expect(await stateOf(host)).toMatchObject({ status: 'active' });
  const applied = await db.database.forTenant(one, (tx) => participant.apply(tx, callIn(one), target));
  expect(applied).toEqual(told);
});

test('a revoked host is gone with its client and its agents, and its name is free to enrol anew', async () => {
  const host = await enrol(one, 'phoenix');
  const agent = await register(one, host.id);
  const participant = hostParticipant();
  const target = { kind: 'host', id: host.id } as const;
  await db.database.forTenant(one, (tx) => participant.apply(tx, callIn(one), target));
  expect(await stateOf(host)).toMatchObject({ status: 'revoked' });
  expect(await db.database.forTenant(one, (tx) => selectAgent(tx, agent.id))).toMatchObject({ status: 'revoked' });
  const [client] = await db.admin('select status from mono.clients where id = $1', [uuidOf(host.clientId)]);
  expect(client).toEqual({ status: 'retired' });
  const again = await db.database.forTenant(one, (tx) => participant.apply(tx, callIn(one), target));
  expect(again.every(({ count }) => count === 0)).toBe(true);
  expect(await enrol(one, 'phoenix')).toMatchObject({ name: 'phoenix', status: 'active' });
});

test('a host that is not there is not found, and targets of other kinds are left to others', async () => {
  const participant = hostParticipant();
  const elsewhere = await enrol(two);
  for (const id of [elsewhere.id, newId(runtime, 'hst')]) {
    const target = { kind: 'host', id } as const;
    const previewed = db.database.forTenant(one, (tx) => participant.preview(tx, target));
    await expect(previewed).rejects.toMatchObject(refused('not_found'));
    const applied = db.database.forTenant(one, (tx) => participant.apply(tx, callIn(one), target));
    await expect(applied).rejects.toMatchObject(refused('not_found'));
  }
  const tenant = { kind: 'tenant' } as const;
  expect(await db.database.forTenant(one, (tx) => participant.apply(tx, callIn(one), tenant))).toEqual([]);
  expect(await stateOf(await enrol(one))).toMatchObject({ status: 'active' });
});

test('an enrolment whose client name belongs to somebody else fails whole', async () => {
  const { publicKey } = await generateKeyPair('ES256', { extractable: true });
  const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: 'k1' }] };
  const input = { kind: 'machine', name: 'taken', scopes: [], audiences: [], jwks, baseUrl } as const;
  await db.database.forTenant(one, (tx) => createClient(tx, callIn(one), input));
  await expect(enrol(one, 'taken')).rejects.toMatchObject(refused('already_exists'));
  expect(await db.admin('select id from mono.hosts where name = $1', ['taken'])).toEqual([]);
});
