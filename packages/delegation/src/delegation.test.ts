import { generateKeyPairSync } from 'node:crypto';
import { createClient } from '@mono-auth/clients';
import {
  type AgentId,
  type GrantId,
  type HostId,
  newId,
  type TenantId,
  type UserId,
  uuidOf,
} from '@mono-auth/core/ids';
import type { Call, Caller } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import type { NewEntry } from '@mono-auth/feed';
import { FakeRuntime, openTestDatabase, type TestDatabase } from '@mono-auth/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AllowAgentInput, allowAgent } from './allow-agent.ts';
import { consentParticipant } from './consent-participant.ts';
import { endAgentConsent } from './end-agent-consent.ts';
import { selectConsent, selectLivingConsent } from './store.ts';
import { sweepConsents } from './sweep-consents.ts';

const runtime = new FakeRuntime();
const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const jwks = { keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k' }] };
const hour = 3_600_000;
let db: TestDatabase;
let home: Place;
let other: Place;
/** What went into the feed. */
const appended: NewEntry[] = [];
const feed = {
  async append(_tx: TenantTx, entries: readonly NewEntry[]) {
    appended.push(...entries);
    return appended.length;
  },
};

interface Place {
  readonly tenantId: TenantId;
  readonly host: HostId;
  run<T>(work: (tx: TenantTx) => Promise<T>): Promise<T>;
  newAgent(host?: HostId, status?: 'active' | 'suspended'): Promise<AgentId>;
}

beforeAll(async () => {
  db = await openTestDatabase();
  home = await openPlace('home');
  other = await openPlace('other');
});
afterAll(() => db.close());

/** A tenant with a host whose agents belong to somebody. */
async function openPlace(slug: string): Promise<Place> {
  const tenantId = await db.createTenantRow(slug);
  const run = <T>(work: (tx: TenantTx) => Promise<T>) => db.database.forTenant(tenantId, work);
  const newHost = async (): Promise<HostId> => {
    const [id, invite] = [newId(runtime, 'hst'), newId(runtime, 'inv')];
    const call = { runtime, caller: callerOf(tenantId, newId(runtime, 'usr'), { principal: 'system:platform' }) };
    const input = {
      kind: 'machine',
      name: id,
      scopes: [],
      audiences: [],
      jwks,
      baseUrl: 'https://id.test',
    } as const;
    const { client } = await run((tx) => createClient(tx, call, input));
    const now = new Date(runtime.nowMs());
    await db.admin(
      `insert into mono.invites (tenant_id, id, host_name, status, scopes, audiences, created_by, created_at, expires_at)
       values ($1, $2, 'h', 'open', '{}', '{}', 'user:x', $3, $3)`,
      [uuidOf(tenantId), uuidOf(invite), now],
    );
    await db.admin(
      `insert into mono.hosts (tenant_id, id, name, status, generation, client_id, invite_id, public_jwk, jkt, enrolled_at)
       values ($1, $2, $3, 'active', 1, $4, $5, '{}', 'x', $6)`,
      [uuidOf(tenantId), uuidOf(id), id, uuidOf(client.id), uuidOf(invite), now],
    );
    return id;
  };
  const host = await newHost();
  return {
    ...{ tenantId, host, run },
    async newAgent(on, status = 'active') {
      const id = newId(runtime, 'agt');
      const hostId = on ?? (await newHost());
      await db.admin(
        `insert into mono.agents (tenant_id, id, host_id, name, owner_user_id, status, scopes, created_at)
         values ($1, $2, $3, $4, $5, $6, '{a,b}', $7)`,
        [
          uuidOf(tenantId),
          uuidOf(id),
          uuidOf(hostId),
          id,
          uuidOf(newId(runtime, 'usr')),
          status,
          new Date(runtime.nowMs()),
        ],
      );
      return id;
    },
  };
}

function callerOf(tenantId: TenantId, userId: UserId, change: Partial<Caller> = {}): Caller {
  return {
    ...{ principal: `user:${userId}`, tenantId, tenantSlug: 'home', tenantRole: 'member', scope: new Set<string>() },
    ...{ tokenId: undefined, sessionId: undefined, clientId: undefined, act: undefined },
    ...{ requestId: newId(runtime, 'req'), ip: '', ...change },
  };
}
const callOf = (userId: UserId, change: Partial<Caller> = {}, place = home): Call => ({
  runtime,
  caller: callerOf(place.tenantId, userId, change),
});
const terms = (agentId: AgentId, change: Partial<AllowAgentInput> = {}): AllowAgentInput => ({
  ...{ agentId, scopes: ['a', 'a'], audiences: [], expiresAtMs: runtime.nowMs() + hour, idempotencyKey: undefined },
  ...change,
});
const allow = (call: Call, input: AllowAgentInput, place = home) => place.run((tx) => allowAgent(tx, call, input));
const end = (call: Call, id: GrantId, place = home) => place.run((tx) => endAgentConsent(feed, tx, call, id));
const living = (userId: UserId, agentId: AgentId) =>
  home.run((tx) => selectLivingConsent(tx, { userId, agentId }, runtime.nowMs()));
const person = () => newId(runtime, 'usr');
const eventsOf = async (id: string) =>
  (await db.admin<{ type: string }>('select type from mono.audit_events where object_id = $1 order by id', [id])).map(
    ({ type }) => type,
  );

describe('a person allows an agent', () => {
  test('until a time, with evidence; an exchange finds the edge and nobody else’s', async () => {
    const [userId, agentId] = [person(), await home.newAgent(home.host)];
    const consent = await allow(callOf(userId), terms(agentId, { audiences: ['https://files.test'] }));
    expect(consent).toMatchObject({
      userId,
      agentId,
      hostId: home.host,
      scopes: ['a'],
      audiences: ['https://files.test'],
    });
    expect(await living(userId, agentId)).toEqual(consent);
    expect(await living(person(), agentId)).toBeUndefined();
    expect(await living(userId, await home.newAgent(home.host))).toBeUndefined();
    expect(await eventsOf(consent.id)).toEqual(['agent.allowed']);
    runtime.advance(hour);
    expect(await living(userId, agentId)).toBeUndefined();
    // Its place is free again.
    expect((await allow(callOf(userId), terms(agentId))).id).not.toBe(consent.id);
  });

  test('once: another consent waits until the first has ended, also of parallel ones', async () => {
    const [userId, agentId] = [person(), await home.newAgent(home.host)];
    const attempts = Array.from({ length: 5 }, () => allow(callOf(userId), terms(agentId)));
    const outcomes = await Promise.allSettled(attempts);
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    await expect(allow(callOf(userId), terms(agentId))).rejects.toMatchObject({ reason: 'already_exists' });
    expect((await allow(callOf(person()), terms(agentId))).agentId).toBe(agentId);
  });

  test('by a key that makes one consent; the keys of two people are two', async () => {
    const [userId, agentId] = [person(), await home.newAgent(home.host)];
    const input = terms(agentId, { idempotencyKey: 'k' });
    const ids = (await Promise.all([1, 2, 3].map(() => allow(callOf(userId), input)))).map(({ id }) => id);
    expect(new Set(ids).size).toBe(1);
    expect((await allow(callOf(person()), input)).id).not.toBe(ids[0]);
    const wider = allow(callOf(userId), { ...input, scopes: ['a', 'b'] });
    await expect(wider).rejects.toMatchObject({ reason: 'invalid_request' });
    await end(callOf(userId), ids[0] as GrantId);
    expect((await allow(callOf(userId), input)).endedAtMs).toBe(runtime.nowMs());
  });

  test.each<[string, (agent: AgentId) => Promise<unknown>, string]>([
    [
      'an agent that acts for the person',
      (id) => allow(callOf(person(), { act: { sub: `agent:${id}` } }), terms(id)),
      'denied',
    ],
    ['somebody who is no person', (id) => allow(callOf(person(), { principal: `agent:${id}` }), terms(id)), 'denied'],
    ['an agent that never was', () => allow(callOf(person()), terms(newId(runtime, 'agt'))), 'not_found'],
    ['an agent of another tenant', async () => allow(callOf(person()), terms(await other.newAgent())), 'not_found'],
    [
      'a suspended agent',
      async () => allow(callOf(person()), terms(await home.newAgent(home.host, 'suspended'))),
      'denied',
    ],
    ['no scope', (id) => allow(callOf(person()), terms(id, { scopes: [] })), 'invalid_request'],
    ['a scope that is two', (id) => allow(callOf(person()), terms(id, { scopes: ['a b'] })), 'invalid_request'],
    [
      'an audience that is no URI',
      (id) => allow(callOf(person()), terms(id, { audiences: ['files'] })),
      'invalid_request',
    ],
    [
      'an end that is over',
      (id) => allow(callOf(person()), terms(id, { expiresAtMs: runtime.nowMs() })),
      'invalid_request',
    ],
    [
      'an end beyond 180 days',
      (id) => allow(callOf(person()), terms(id, { expiresAtMs: runtime.nowMs() + 4321 * hour })),
      'invalid_request',
    ],
  ])('%s is refused', async (_, attempt, reason) => {
    await expect(home.newAgent(home.host).then(attempt)).rejects.toMatchObject({ reason });
  });
});

describe('a consent ends', () => {
  test('by its person: row, feed entry and evidence once, however often they ask', async () => {
    const [userId, agentId] = [person(), await home.newAgent(home.host)];
    const { id } = await allow(callOf(userId), terms(agentId));
    const before = appended.length;
    for (let i = 0; i < 2; i++) expect((await end(callOf(userId), id)).endedAtMs).toBe(runtime.nowMs());
    const entries = appended.slice(before);
    expect(entries).toMatchObject([{ kind: 'revocation', payload: { target: { kind: 'grant', id } } }]);
    expect(await eventsOf(id)).toEqual(['agent.allowed', 'agent.disallowed']);
    expect(await living(userId, agentId)).toBeUndefined();
  });

  test('by nobody else: another person’s, another tenant’s and one that never was are one answer', async () => {
    const [userId, agentId] = [person(), await home.newAgent(home.host)];
    const { id } = await allow(callOf(userId), terms(agentId));
    const attempts = [
      end(callOf(person()), id),
      end(callOf(userId), newId(runtime, 'gra')),
      end(callOf(userId, {}, other), id, other),
    ];
    // All at once: whoever is refused while another one is waited for would be refused to nobody.
    const answer = { reason: 'not_found', detail: 'consent not found' };
    await Promise.all(attempts.map((attempt) => expect(attempt).rejects.toMatchObject(answer)));
    const through = end(callOf(userId, { act: { sub: `agent:${agentId}` } }), id);
    await expect(through).rejects.toMatchObject({ reason: 'denied' });
    expect(await living(userId, agentId)).toBeDefined();
  });

  test('with its person, agent, host or by its own id; those beside it go on, and a tenant’s epoch leaves it', async () => {
    const participant = consentParticipant({ runtime });
    const userId = person();
    const make = async () => {
      const consent = await allow(callOf(userId), terms(await home.newAgent()));
      const neighbour = await allow(callOf(person()), terms(await home.newAgent(home.host)));
      return { consent, neighbour };
    };
    const kinds = ['grant', 'user', 'agent', 'host', 'tenant', 'session', 'token'] as const;
    for (const kind of kinds) {
      const { consent, neighbour } = await make();
      const targets = {
        grant: { kind: 'grant', id: consent.id },
        user: { kind: 'user', id: userId },
        agent: { kind: 'agent', id: consent.agentId },
        host: { kind: 'host', id: consent.hostId },
        tenant: { kind: 'tenant' },
        session: { kind: 'session', id: newId(runtime, 'ses') },
        token: { kind: 'token', id: newId(runtime, 'tok') },
      } as const;
      const dies = !['tenant', 'session', 'token'].includes(kind);
      const call = callOf(userId);
      const preview = await home.run((tx) => participant.preview(tx, targets[kind]));
      const applied = await home.run((tx) => participant.apply(tx, call, targets[kind]));
      expect(applied, kind).toEqual(preview);
      expect(applied.length > 0, kind).toBe(dies);
      const endedOf = async (id: GrantId) => (await home.run((tx) => selectConsent(tx, id)))?.endedAtMs !== undefined;
      expect([await endedOf(consent.id), await endedOf(neighbour.id)], kind).toEqual([dies, false]);
    }
    const { consent } = await make();
    const foreign = { kind: 'grant', id: consent.id } as const;
    expect(await other.run((tx) => participant.apply(tx, callOf(userId, {}, other), foreign))).toEqual([]);
    expect(await living(userId, consent.agentId)).toBeDefined();
  });
});

test('the sweep takes what has ended for a month, by its time or before, and nothing that lives or ended lately', async () => {
  const place = await openPlace('swept');
  const user = newId(runtime, 'usr');
  const call = callOf(user, {}, place);
  const day = 24 * hour;
  const give = async (days: number) =>
    (await allow(call, terms(await place.newAgent(), { expiresAtMs: runtime.nowMs() + days * day }), place)).id;
  const [ended, expired, living] = [await give(90), await give(20), await give(90)];
  await end(call, ended, place);
  const left = async () => {
    const found = await place.run(async (tx) => [
      await selectConsent(tx, ended),
      await selectConsent(tx, expired),
      await selectConsent(tx, living),
    ]);
    return found.map((consent) => consent !== undefined);
  };
  const sweepAfter = async (days: number) => {
    runtime.advance(days * day);
    await sweepConsents({ database: db.database, runtime });
    return left();
  };
  expect(await sweepAfter(29)).toEqual([true, true, true]);
  expect(await sweepAfter(2)).toEqual([false, true, true]);
  expect(await sweepAfter(20)).toEqual([false, false, true]);
});
