import { generateKeyPairSync } from 'node:crypto';
import { idFromUuid, newId, type TenantId, type UserId } from '@mono-auth/core/ids';
import type { Principal } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import { FakeRuntime, openTestDatabase, type TestDatabase } from '@mono-auth/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { approveClient } from './approve-client.ts';
import type { Client } from './client.ts';
import { type ClientBench, openClientBench } from './client-bench.ts';
import { type CreateClientInput, type CreatedClient, createClient } from './create-client.ts';
import { manifestHash } from './manifest-hash.ts';
import { createResource } from './resources/create-resource.ts';
import { retireResource } from './resources/retire-resource.ts';
import { resumeClient } from './resume-client.ts';
import { retireClient } from './retire-client.ts';
import { matchSecret, secretUseNoter } from './secrets/match-secret.ts';
import { retireSecret } from './secrets/retire-secret.ts';
import { rotateSecret } from './secrets/rotate-secret.ts';
import { selectLivingResource } from './store/resources.ts';
import { selectClient } from './store.ts';
import { suspendClient } from './suspend-client.ts';
import { updateClient } from './update-client.ts';

const runtime = new FakeRuntime();
const jwk = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' });
const jwks = { keys: [{ ...jwk, kid: 'k1' }] };
const redirectUris = ['https://shop.example/callback'];
const withSecret = { authMethod: 'client_secret_basic', redirectUris } as const;
let db: TestDatabase;
let bench: ClientBench;
let one: TenantId;
const inTenant = <T>(work: (tx: TenantTx) => Promise<T>, tenantId = one) => db.database.forTenant(tenantId, work);
const reason = (why: string) => expect.objectContaining({ reason: why });

beforeAll(async () => {
  db = await openTestDatabase();
  bench = await openClientBench({ ...db, runtime });
  ({ one } = bench);
});
afterAll(() => db.close());
beforeEach(() => db.admin('delete from mono.security_policies'));

function make(over: Partial<CreateClientInput> = {}, principal?: Principal): Promise<CreatedClient> {
  const kind = over.manifest ? 'app' : 'machine';
  const short = { scopes: [], audiences: [], ...(over.manifest ? {} : { jwks }) };
  const input = { kind, name: runtime.uuid(), baseUrl: bench.baseUrl, ...short, ...over } as const;
  return inTenant((tx) => createClient(tx, bench.callIn(one, principal), input));
}
const approvedApp = async () => make({ manifest: withSecret, approve: true });
const read = async (id: Client['id']) => (await inTenant((tx) => selectClient(tx, id))) as Client;
const ceilings = (policy: object) =>
  db.admin(
    `insert into mono.security_policies (tenant_id, policy, version, updated_at)
     select id, $1, 1, created_at from mono.tenants where slug = 'one'`,
    [JSON.stringify(policy)],
  );
const eventsOf = (id: string) =>
  db.admin<{ type: string; actor: string }>(
    'select type, actor from mono.audit_events where object_id = $1 order by id',
    [id],
  );

async function addMember(): Promise<UserId> {
  const [row] = await db.admin<{ id: string }>(
    `with person as (
       insert into identity."user" (tenant_id, id, name, email, "emailVerified", banned, "createdAt", "updatedAt")
       select id, $1::uuid, 'x', $2, true, false, created_at, created_at from mono.tenants where slug = 'one' returning id, tenant_id, "createdAt")
     insert into mono.members (tenant_id, user_id, role, created_at)
     select tenant_id, id, 'member', "createdAt" from person returning user_id as id`,
    [runtime.uuid(), `${runtime.uuid()}@example.test`],
  );
  return idFromUuid('usr', row?.id ?? '');
}

describe('approval', () => {
  test('a client is a draft until somebody who may approves exactly what is proposed', async () => {
    const { client } = await make();
    expect(client).toMatchObject({ status: 'draft', manifest: undefined, version: 1 });
    const approve = (hash: string) =>
      inTenant((tx) =>
        approveClient(tx, bench.callIn(one), { id: client.id, manifestHash: hash, baseUrl: bench.baseUrl }),
      );
    const hash = client.proposed ? manifestHash(client.proposed) : '';
    await expect(approve(hash)).rejects.toEqual(reason('stale_version'));
    const { client: asked } = await make({ submit: true });
    expect(asked.status).toBe('submitted');
    await expect(approve('a'.repeat(43))).rejects.toEqual(reason('stale_version'));
    expect(await read(client.id)).toEqual(client);
  });

  test('approving at once needs the permission, and is recorded with who asked and who approved', async () => {
    const caller = { ...bench.callerIn(one), scope: new Set(['clients:manage']) };
    const input = { kind: 'machine', name: 'sly', scopes: [], audiences: [], jwks, approve: true } as const;
    const sly = inTenant((tx) => createClient(tx, { runtime, caller }, { ...input, baseUrl: bench.baseUrl }));
    await expect(sly).rejects.toEqual(reason('denied'));
    const { client } = await make({ approve: true });
    expect(await read(client.id)).toMatchObject({ status: 'approved', approvedBy: 'system:platform', version: 2 });
    expect((await eventsOf(client.id)).map(({ type }) => type)).toEqual(['client.created', 'client.approved']);
  });

  test('a machine names the person who answers for its client, who is a member', async () => {
    const service = `service:${newId(runtime, 'cli')}` as const;
    await expect(make({}, service)).rejects.toEqual(reason('invalid_request'));
    await expect(make({ ownerUserId: newId(runtime, 'usr') }, service)).rejects.toEqual(reason('not_found'));
    const member = await addMember();
    expect((await make({ ownerUserId: member }, service)).client.ownerUserId).toBe(member);
    expect((await make({}, `user:${member}`)).client.ownerUserId).toBe(member);
  });
});

test('an update narrows at once and proposes the rest; asking for it again after a lost answer changes nothing', async () => {
  const { client } = await make({ manifest: { ...withSecret, scopes: ['a', 'b'] }, approve: true });
  const change = {
    id: client.id,
    version: client.version,
    manifest: { ...withSecret, scopes: ['b', 'c'] },
    submit: true,
    ownerUserId: undefined,
    baseUrl: bench.baseUrl,
  };
  const update = () => inTenant((tx) => updateClient(tx, bench.callIn(one), change));
  const after = await update();
  expect(after).toMatchObject({ status: 'approved', scopes: ['b'], proposedSubmitted: true, version: 3 });
  expect(after.proposed?.scopes).toEqual(['b', 'c']);
  expect(await update()).toEqual(after);
  expect((await eventsOf(client.id)).filter(({ type }) => type === 'client.updated')).toHaveLength(1);
  const stale = inTenant((tx) => updateClient(tx, bench.callIn(one), { ...change, submit: false }));
  await expect(stale).rejects.toEqual(reason('stale_version'));
});

describe('ceilings of the tenant', () => {
  test.each([
    [{ scopes: ['a'] }, { scopes: ['b'] }, 'invalid_scope'],
    [{ grantTypes: ['client_credentials'] }, {}, 'invalid_client_metadata'],
    [{ accessTokenTtlSecondsMax: 600 }, { accessTokenTtlSeconds: 601 }, 'invalid_client_metadata'],
    [{ refreshTokenTtlSecondsMax: 600 }, { refreshTokenTtlSeconds: 601 }, 'invalid_client_metadata'],
  ] as const)('%j refuse a manifest above them', async (policy, manifest, why) => {
    await ceilings(policy);
    await expect(make({ manifest: { ...withSecret, ...manifest } })).rejects.toEqual(reason(why));
  });

  test('lowered between the proposal and its approval, they refuse the approval', async () => {
    const { client } = await make({ manifest: { ...withSecret, scopes: ['b'] }, submit: true });
    await ceilings({ scopes: ['a'] });
    const input = { id: client.id, manifestHash: manifestHash(client.proposed as never), baseUrl: bench.baseUrl };
    const approve = inTenant((tx) => approveClient(tx, bench.callIn(one), input));
    await expect(approve).rejects.toEqual(reason('invalid_scope'));
  });

  test('a secret lives no longer than they allow', async () => {
    await ceilings({ clientSecretTtlSecondsMax: 7_200 });
    const { client } = await approvedApp();
    const input = { id: client.id, overlapSeconds: 0, idempotencyKey: undefined };
    const rotate = (ttlSeconds: number) =>
      inTenant((tx) => rotateSecret(tx, bench.callIn(one), { ...input, ttlSeconds }));
    await expect(rotate(7_201)).rejects.toEqual(reason('invalid_request'));
    const { secret } = await rotate(0);
    expect(secret.expiresAtMs - runtime.nowMs()).toBe(7_200_000);
  });
});

describe('secrets', () => {
  const match = (client: Client, text: string, tenantId = one) =>
    inTenant((tx) => matchSecret(tx, runtime, { clientId: client.id, text }, secretUseNoter(db.database)), tenantId);
  const rotate = (client: Client, overlapSeconds = 60) => {
    const input = { id: client.id, overlapSeconds, ttlSeconds: 0, idempotencyKey: undefined };
    return inTenant((tx) => rotateSecret(tx, bench.callIn(one), input));
  };

  test('two live with an overlap, then one; a third is refused while two live', async () => {
    const { client, secret: first = '' } = await approvedApp();
    expect(first).toMatch(/^mono_cs_[A-Za-z0-9_-]{43}$/);
    const second = (await rotate(client)).text ?? '';
    expect(await match(client, first)).toBeDefined();
    expect(await match(client, second)).toBeDefined();
    expect(await match(client, `${second}x`)).toBeUndefined();
    await expect(rotate(client)).rejects.toEqual(reason('already_exists'));
    runtime.advance(60_000);
    expect(await match(client, first)).toBeUndefined();
    expect(await match(client, second)).toBeDefined();
    expect((await rotate(client)).text).not.toBe(second);
  });

  test('one is retired at once, and the other goes on', async () => {
    const { client, secret: first = '' } = await approvedApp();
    const second = await rotate(client);
    const id = await match(client, first);
    if (!id) throw new Error('the first secret is not known');
    await inTenant((tx) => retireSecret(tx, bench.callIn(one), { id: client.id, secretId: id }));
    expect(await match(client, first)).toBeUndefined();
    expect(await match(client, second.text ?? '')).toBe(second.secret.id);
  });

  test('none stands in the database, and none works for another client or in another tenant', async () => {
    const { client, secret = '' } = await approvedApp();
    const { client: other } = await approvedApp();
    expect(await match(other, secret)).toBeUndefined();
    expect(await match(client, secret, bench.two)).toBeUndefined();
    const rows = await db.admin<{ row: string }>('select to_jsonb(s)::text as row from mono.client_secrets s');
    expect(rows.length).toBeGreaterThan(0);
    expect(rows.filter(({ row }) => row.includes(secret))).toEqual([]);
  });

  test('the last use is known to the minute, by one write for all of that minute', async () => {
    const { client, secret = '' } = await approvedApp();
    const lastUse = async () => {
      const [row] = await db.admin<{ at: Date | null; xmin: string }>(
        'select last_used_at as at, xmin::text as xmin from mono.client_secrets where digest = sha256($1::bytea)',
        [Buffer.from(secret)],
      );
      return row;
    };
    expect((await lastUse())?.at).toBeNull();
    const decide = () =>
      db.database.forDecision(one, (tx) =>
        matchSecret(tx, runtime, { clientId: client.id, text: secret }, secretUseNoter(db.database)),
      );
    await decide();
    const first = await lastUse();
    expect(first?.at?.getTime()).toBe(runtime.nowMs());
    runtime.advance(30_000);
    await decide();
    expect(await lastUse()).toEqual(first);
    runtime.advance(30_000);
    await decide();
    expect((await lastUse())?.at?.getTime()).toBe(runtime.nowMs());
  });
});

describe('audiences and resources', () => {
  const register = (identifier: string, environment: 'staging' | 'production' = 'production') =>
    inTenant((tx) =>
      createResource(tx, bench.callIn(one), {
        ...{ identifier, name: 'api', environment, product: '', scopes: [], accessTokenTtlSeconds: 0 },
        ...{ dpopRequired: false, isDefault: false, idempotencyKey: undefined, baseUrl: bench.baseUrl },
      }),
    );
  const appFor = (audience: string, environment: 'staging' | 'production' = 'production') =>
    make({ manifest: { ...withSecret, audiences: [audience] }, environment });

  test('an app asks for living resources of its own environment', async () => {
    await expect(appFor('https://nowhere.example')).rejects.toEqual(reason('invalid_target'));
    await register('https://api.example');
    expect((await appFor('https://api.example')).client.audiences).toEqual(['https://api.example']);
    await expect(appFor('https://api.example', 'staging')).rejects.toEqual(reason('invalid_target'));
    await inTenant((tx) => retireResource(tx, bench.callIn(one), 'https://api.example'));
    await expect(appFor('https://api.example')).rejects.toEqual(reason('invalid_target'));
    await expect(register('https://api.example')).rejects.toEqual(reason('already_exists'));
  });

  test('the management API is for production; a machine may name what is not registered yet', async () => {
    const rpc = `${bench.baseUrl}/t/one/rpc`;
    expect((await appFor(rpc)).client.audiences).toEqual([rpc]);
    await expect(appFor(rpc, 'staging')).rejects.toEqual(reason('invalid_target'));
    await expect(appFor(`${bench.baseUrl}/t/two/rpc`)).rejects.toEqual(reason('invalid_target'));
    expect((await make({ audiences: ['https://later.example'] })).client.audiences).toHaveLength(1);
    await register('https://later.example', 'staging');
    await expect(make({ audiences: ['https://later.example'] })).rejects.toEqual(reason('invalid_target'));
  });

  test('a new default takes the place of the one before, in its environment', async () => {
    const make = (identifier: string) =>
      inTenant((tx) =>
        createResource(tx, bench.callIn(one), {
          ...{ identifier, name: 'api', environment: 'development', product: '', scopes: [], accessTokenTtlSeconds: 0 },
          ...{ dpopRequired: false, isDefault: true, idempotencyKey: undefined, baseUrl: bench.baseUrl },
        }),
      );
    await Promise.all(['https://d1.example', 'https://d2.example', 'https://d3.example'].map(make));
    const rows = await db.admin(
      `select identifier from mono.resources where is_default and environment = 'development'`,
    );
    expect(rows).toHaveLength(1);
    const all = await db.admin(`select identifier from mono.resources where environment = 'development'`);
    expect(all).toHaveLength(3);
  });

  test('a service is its resource once it is approved, and not while it is suspended or after it was retired', async () => {
    const resource = 'https://ledger.example';
    const living = () => inTenant((tx) => selectLivingResource(tx, resource));
    const { client } = await make({ kind: 'service', resource, submit: true });
    expect(await living()).toBeUndefined();
    await expect(register(resource)).rejects.toEqual(reason('already_exists'));
    const input = { id: client.id, manifestHash: manifestHash(client.proposed as never), baseUrl: bench.baseUrl };
    await inTenant((tx) => approveClient(tx, bench.callIn(one), input));
    expect(await living()).toMatchObject({ clientId: client.id, environment: 'production' });
    const { feed } = bench.revocation;
    await inTenant((tx) => suspendClient(tx, bench.callIn(one), feed, { id: client.id, reason: 'x' }));
    expect(await living()).toBeUndefined();
    await inTenant((tx) => resumeClient(tx, bench.callIn(one), feed, client.id));
    expect(await living()).toBeDefined();
    await retireClient(bench.revocation, bench.callIn(one), { id: client.id, reason: '' });
    expect(await living()).toBeUndefined();
  });
});

describe('what a client holds ends with it', () => {
  const entries = async (id: string) =>
    (
      await db.admin<{ kind: string; text: string }>(
        `select kind, convert_from(payload, 'UTF8') as text from mono.feed_entries order by seq`,
      )
    )
      .filter(({ text }) => text.includes(id))
      .map(({ kind, text }) => [kind, (JSON.parse(text) as { state?: string }).state ?? 'target']);

  test('suspended: the feed says so and revokes its tokens, in one transaction with the event', async () => {
    const { client } = await approvedApp();
    const suspend = () =>
      inTenant((tx) => suspendClient(tx, bench.callIn(one), bench.revocation.feed, { id: client.id, reason: 'odd' }));
    await suspend();
    expect(await entries(client.id)).toEqual([
      ['client', 'suspended'],
      ['revocation', 'target'],
    ]);
    expect((await read(client.id)).status).toBe('suspended');
    await suspend();
    expect(await entries(client.id)).toHaveLength(2);
    expect((await eventsOf(client.id)).filter(({ type }) => type === 'client.suspended')).toHaveLength(1);
  });

  test('retired: secrets end, the event and the revocation are there once, and nothing leads out of it', async () => {
    const { client } = await approvedApp();
    const retire = () => retireClient(bench.revocation, bench.callIn(one), { id: client.id, reason: 'replaced' });
    expect((await retire()).status).toBe('retired');
    expect(await entries(client.id)).toEqual([
      ['revocation', 'target'],
      ['client', 'retired'],
    ]);
    await retire();
    expect((await eventsOf(client.id)).map(({ type }) => type).sort()).toEqual(
      ['client.approved', 'client.created', 'client.retired', 'revocation.created'].sort(),
    );
    const living = await db.admin('select id from mono.client_secrets where expires_at > $1', [
      new Date(runtime.nowMs()),
    ]);
    const mine = await db.admin<{ id: string }>(
      'select s.id from mono.client_secrets s join mono.clients c on c.id = s.client_id where c.name = $1',
      [client.name],
    );
    expect(mine).toHaveLength(1);
    expect(living).not.toContainEqual(mine[0]);
    const resume = inTenant((tx) => resumeClient(tx, bench.callIn(one), bench.revocation.feed, client.id));
    await expect(resume).rejects.toEqual(reason('stale_version'));
  });
});
