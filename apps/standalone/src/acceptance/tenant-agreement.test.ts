import { uuidOf } from '@mono-auth/core/ids';
import { Database, deriveDatabaseSecrets } from '@mono-auth/database';
import type { Tenant } from '@mono-auth/tenants';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Installation, openInstallation } from './installation.ts';
import { type RawAnswer, sendRaw } from './raw-http.ts';
import { openStatementCounter, type StatementCounter } from './statement-counter.ts';

let db: TestDatabase;
let counter: StatementCounter;
let database: Database;
let installation: Installation;
let port: number;
const tenants = new Map<Who, { tenant: Tenant; token: string }>();

type Who = 'alpha' | 'beta';
type Form = 'slug' | 'id';
type Place = 'path' | 'host' | 'header' | 'query' | 'json body' | 'form body' | 'token';

/** A name of a tenant in one place of a request. */
interface Named {
  readonly place: Place;
  readonly who: Who;
  readonly form: Form;
}

beforeAll(async () => {
  db = await openTestDatabase();
  counter = await openStatementCounter(db.url);
  database = new Database({ url: counter.url, secrets: deriveDatabaseSecrets(testKek), poolSize: 4 });
  installation = await openInstallation(database, testKek, { hostname: 'localhost' });
  port = Number(new URL(installation.baseUrl).port);
  for (const who of ['alpha', 'beta'] as const) {
    const tenant = await installation.provision(who);
    tenants.set(who, { tenant, token: await (await installation.signIn(who)).token() });
  }
  await installation.controlPlane.tenants.warm();
});
afterAll(async () => {
  await installation?.close();
  await database?.close();
  await counter?.close();
  await db?.close();
});
beforeEach(() => counter.reset());

function tenantOf(who: Who) {
  const found = tenants.get(who);
  if (!found) throw new Error(`${who} is not there`);
  return found;
}

/** A request that names tenants in these places and, as far as it can, in no other. */
function send(named: readonly Named[], fields: { header?: string; query?: string; body?: string } = {}) {
  const at = (place: Place) => named.filter((name) => name.place === place).map(nameIn);
  const [slug] = at('path');
  const [host = ''] = at('host').map((name) => `${name}.`);
  const [form] = at('form body');
  const [json] = at('json body');
  const query = at('query').map((name) => `${fields.query ?? 'tenant'}=${name}`);
  const rpc = '/monoauth.tenants.v1.TenantService/GetTenant';
  const path =
    form === undefined ? `${slug ? `/t/${slug}/rpc` : ''}${rpc}` : `${slug ? `/t/${slug}` : ''}/oauth2/token`;
  const field = fields.body ?? 'tenant_id';
  return sendRaw(port, {
    method: 'POST',
    target: [path, query.join('&')].filter(Boolean).join('?'),
    headers: [
      ['Host', `${host}localhost:${port}`],
      ['Content-Type', form === undefined ? 'application/json' : 'application/x-www-form-urlencoded'],
      ...at('header').map((name) => [fields.header ?? 'X-Tenant-ID', name] as const),
      ...at('token').map((token) => ['Authorization', `Bearer ${token}`] as const),
    ],
    body: form === undefined ? JSON.stringify(json ? { [field]: json } : {}) : `${field}=${form}`,
  });
}

function nameIn({ place, who, form }: Named): string {
  const { tenant, token } = tenantOf(who);
  if (place === 'token') return token;
  return form === 'slug' ? tenant.slug : tenant.id;
}

/** The edge's own answer: the same words for every disagreement and for a tenant that is not there. */
function isRefused({ status, body }: RawAnswer): boolean {
  return status === 404 && (body.message ?? body.error_description) === 'tenant not found';
}

const places: readonly Place[] = ['path', 'host', 'header', 'query', 'json body', 'form body', 'token'];
/** A token always carries both forms. A request has one body. */
const formsOf = (place: Place): readonly Form[] => (place === 'token' ? ['slug'] : ['slug', 'id']);
const bodies: readonly Place[] = ['json body', 'form body'];
const pairs = places.flatMap((first, index) =>
  places
    .slice(index + 1)
    .filter((second) => !(bodies.includes(first) && bodies.includes(second)))
    .flatMap((second) => formsOf(first).flatMap((a) => formsOf(second).map((b) => [first, a, second, b] as const))),
);

describe('two places of a request', () => {
  test('are paired in every way', () => {
    expect(pairs).toHaveLength(14 * 4 + 6 * 2);
  });

  test.each(pairs)('%s (%s) and %s (%s) that disagree are refused before any query', async (first, a, second, b) => {
    for (const [one, other] of [
      ['alpha', 'beta'],
      ['beta', 'alpha'],
    ] as const) {
      const answer = await send([
        { place: first, who: one, form: a },
        { place: second, who: other, form: b },
      ]);
      expect(isRefused(answer), answer.text).toBe(true);
    }
    expect(counter.statements).toEqual([]);
  });

  test.each(pairs)('%s (%s) and %s (%s) that agree pass the edge', async (first, a, second, b) => {
    const answer = await send([
      { place: first, who: 'alpha', form: a },
      { place: second, who: 'alpha', form: b },
    ]);
    expect(isRefused(answer), answer.text).toBe(false);
  });
});

test('all places that agree reach the tenant, and one that does not is enough to refuse', async () => {
  const everywhere = places
    .filter((place) => place !== 'form body')
    .map((place, index): Named => ({ place, who: 'alpha', form: place === 'path' || index % 2 === 0 ? 'slug' : 'id' }));
  const agreed = await send(everywhere);
  expect(agreed.status, agreed.text).toBe(200);
  expect((agreed.body.tenant as { slug: string }).slug).toBe('alpha');
  expect(counter.statements.length).toBeGreaterThan(0);
  counter.reset();
  for (const { place } of everywhere) {
    const answer = await send(everywhere.map((name) => (name.place === place ? { ...name, who: 'beta' } : name)));
    expect(isRefused(answer), answer.text).toBe(true);
  }
  expect(counter.statements).toEqual([]);
});

test.each([
  'X-Tenant-ID',
  'x-tenant-id',
  'X_TENANT_ID',
  'x_tenant_id',
  'X-Tenant_Id',
  'x-TENANT',
  'X_Tenant',
  'X-Tenant-Slug',
  'x_tenant_slug',
])('the header %s names a tenant like any other place', async (header) => {
  const path: Named = { place: 'path', who: 'alpha', form: 'slug' };
  for (const form of ['slug', 'id'] as const) {
    expect(isRefused(await send([path, { place: 'header', who: 'beta', form }], { header }))).toBe(true);
    expect(counter.statements).toEqual([]);
    expect(isRefused(await send([path, { place: 'header', who: 'alpha', form }], { header }))).toBe(false);
    counter.reset();
  }
});

test.each(['tenant', 'tenant_id', 'tenantId', 'tenant_slug', 'tenantSlug'])(
  'the field %s names a tenant in a query, in JSON and in a form',
  async (field) => {
    const path: Named = { place: 'path', who: 'alpha', form: 'slug' };
    for (const place of ['query', 'json body', 'form body'] as const) {
      for (const form of ['slug', 'id'] as const) {
        const answer = await send([path, { place, who: 'beta', form }], { query: field, body: field });
        expect(isRefused(answer), answer.text).toBe(true);
      }
    }
    expect(counter.statements).toEqual([]);
  },
);

test.each([
  'APPLICATION/JSON',
  'application/json; charset=utf-8',
  'Application/X-WWW-Form-URLEncoded',
  'application/x-www-form-urlencoded;charset=UTF-8',
  ' application/json',
])('a body is read whatever the spelling of its type: %s', async (type) => {
  const body = /json/i.test(type) ? '{"tenant_id":"beta"}' : 'tenant_id=beta';
  const answer = await sendRaw(port, {
    method: 'POST',
    target: '/t/alpha/oauth2/token',
    headers: [
      ['Host', `localhost:${port}`],
      ['Content-Type', type],
    ],
    body,
  });
  expect(isRefused(answer), answer.text).toBe(true);
  expect(counter.statements).toEqual([]);
});

test('a body of a stream is read behind its envelope', async () => {
  const message = JSON.stringify({ subscriberId: 'none', tenantId: 'beta' });
  const length = Buffer.alloc(5);
  length.writeUInt32BE(message.length, 1);
  const answer = await sendRaw(port, {
    method: 'POST',
    target: '/t/alpha/rpc/monoauth.feed.v1.FeedService/Watch',
    headers: [
      ['Host', `localhost:${port}`],
      ['Content-Type', 'application/connect+json'],
    ],
    body: length.toString('latin1') + message,
  });
  expect(answer.text).toContain('tenant not found');
  expect(counter.statements).toEqual([]);
});

test('the same place named twice must agree with itself', async () => {
  for (const place of ['header', 'query'] as const) {
    const twice = (who: Who) => [{ place, who: 'alpha', form: 'slug' } as const, { place, who, form: 'id' } as const];
    expect(isRefused(await send(twice('beta')))).toBe(true);
    expect(counter.statements).toEqual([]);
    expect(isRefused(await send(twice('alpha')))).toBe(false);
    counter.reset();
  }
});

test('a token whose issuer and tenant_id disagree is refused before its signature is looked at', async () => {
  const claims = { iss: tenantOf('alpha').tenant.issuer, tenant_id: tenantOf('beta').tenant.id };
  const token = ['{}', JSON.stringify(claims), 'x'].map((part) => Buffer.from(part).toString('base64url')).join('.');
  for (const scheme of ['Bearer', 'bearer', 'DPoP']) {
    const answer = await sendRaw(port, {
      method: 'POST',
      target: '/monoauth.tenants.v1.TenantService/GetTenant',
      headers: [
        ['Host', `localhost:${port}`],
        ['Content-Type', 'application/json'],
        ['Authorization', `${scheme} ${token}`],
      ],
      body: '{}',
    });
    expect(isRefused(answer), answer.text).toBe(true);
  }
  expect(counter.statements).toEqual([]);
});

test('a refusal of the edge leaves no trace in either tenant', async () => {
  const count = () =>
    db.admin<{ tenant_id: string; events: string }>(
      'select tenant_id, count(*) as events from mono.audit_events where tenant_id = any($1) group by 1 order by 1',
      [[...tenants.values()].map(({ tenant }) => uuidOf(tenant.id))],
    );
  const before = await count();
  await send([
    { place: 'path', who: 'alpha', form: 'slug' },
    { place: 'token', who: 'beta', form: 'slug' },
  ]);
  expect(await count()).toEqual(before);
});
