import { newId, type SessionId, type UserId } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import { advanceEpoch, type Tenant } from '@mono-auth/tenants';
import { FakeRuntime, openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Browser, openBrowser } from './browser.ts';
import { openScene, type Scene } from './identity-scene.ts';

const baseUrl = 'http://127.0.0.1:8420';
const password = 'correct horse battery';
// Better Auth compares with the real clock as well; ours starts there and is moved on by the tests.
const runtime = new FakeRuntime(systemRuntime.nowMs());
let db: TestDatabase;
let scene: Scene;
let acme: Tenant;

beforeAll(async () => {
  db = await openTestDatabase();
  scene = openScene({ ...db, runtime, baseUrl, kek: testKek });
  acme = await scene.openTenant('acme');
});
afterAll(() => db.close());

let people = 0;

interface Person {
  readonly browser: Browser;
  readonly userId: UserId;
  readonly sessionId: SessionId;
}

/** Somebody new who has just signed in, and in whom everything still works. */
async function newPerson(): Promise<Person> {
  const email = `person-${people++}@example.com`;
  const userId = await scene.openUser(acme, email, password);
  const browser = openBrowser(scene, baseUrl);
  const response = await browser.post('/t/acme/auth/sign-in/email', { email, password });
  expect(response.status).toBe(200);
  const session = await scene.identity.session(acme, cookies(browser));
  expect(session).toMatchObject({ userId, email });
  return { browser, userId, sessionId: session?.id as SessionId };
}

const cookies = (browser: Browser) =>
  new Headers({ cookie: [...browser.jar].map((pair) => pair.join('=')).join('; ') });

/** What the person still gets: a session, a token. */
async function powersOf({ browser }: Person): Promise<{ session: boolean; token: number }> {
  // A copy of the cookie: an answer that clears it must not be what makes the next one fail.
  const cookie = cookies(browser).get('cookie') as string;
  const session = await (await openBrowser(scene, baseUrl).get('/t/acme/auth/get-session', { cookie })).json();
  const token = await openBrowser(scene, baseUrl).post('/t/acme/auth/token', {}, { cookie });
  return { session: session !== null, token: token.status };
}

const alive = { session: true, token: 200 };
const dead = { session: false, token: 401 };

test('a new epoch ends every session that was made before, and none that is made after', async () => {
  const before = await newPerson();
  expect(await powersOf(before)).toEqual(alive);
  await db.database.forTenant(acme.id, async (tx) => {
    const epoch = await advanceEpoch(tx);
    await scene.feed.append(tx, [{ kind: 'epoch', payload: { v: 1, epoch } }]);
  });
  expect(await powersOf(before)).toEqual(dead);
  const between = await newPerson();
  // The row alone is enough: the entry of the feed tells others.
  await db.database.forTenant(acme.id, advanceEpoch);
  expect(await powersOf(between)).toEqual(dead);
  expect(await powersOf(await newPerson())).toEqual(alive);
});

test('a revocation of the session, or of its user, ends it at once; a later session of the user lives', async () => {
  const revoke = (target: { kind: 'session'; sid: string } | { kind: 'user'; id: UserId }) =>
    db.database.forTenant(acme.id, (tx) =>
      scene.feed.append(tx, [
        { kind: 'revocation', payload: { v: 1, id: newId(runtime, 'rev'), target, reason: 'test' } },
      ]),
    );
  const one = await newPerson();
  const other = await newPerson();
  await revoke({ kind: 'session', sid: one.sessionId });
  expect([await powersOf(one), await powersOf(other)]).toEqual([dead, alive]);
  await revoke({ kind: 'user', id: other.userId });
  expect(await powersOf(other)).toEqual(dead);
  const again = openBrowser(scene, baseUrl);
  const [row] = await db.admin<{ email: string }>(
    'select email from identity."user" order by "createdAt" desc limit 1',
  );
  await again.post('/t/acme/auth/sign-in/email', { email: row?.email, password });
  expect(await powersOf({ ...other, browser: again })).toEqual(alive);
});

test('a dead session’s row is deleted when it is seen', async () => {
  const person = await newPerson();
  await db.database.forTenant(acme.id, (tx) =>
    scene.feed.append(tx, [
      {
        kind: 'revocation',
        payload: {
          v: 1,
          id: newId(runtime, 'rev'),
          target: { kind: 'session', sid: person.sessionId },
          reason: 'test',
        },
      },
    ]),
  );
  const count = async () => (await db.admin('select id from identity.session')).length;
  const before = await count();
  expect(await scene.identity.session(acme, cookies(person.browser))).toBeUndefined();
  expect(await count()).toBe(before - 1);
});

test('a banned user is out, and cannot come back with the right password', async () => {
  const person = await newPerson();
  await db.admin('update identity."user" set banned = true where email = $1', [`person-${people - 1}@example.com`]);
  expect(await powersOf(person)).toEqual(dead);
  const again = openBrowser(scene, baseUrl);
  const body = { email: `person-${people - 1}@example.com`, password };
  expect((await again.post('/t/acme/auth/sign-in/email', body)).status).toBe(401);
  expect(again.jar.size).toBe(0);
});

test('a session ends after seven days, whatever its row says', async () => {
  const person = await newPerson();
  await db.admin(`update identity.session set "expiresAt" = "expiresAt" + interval '1 year'`);
  runtime.advance(7 * 24 * 3_600_000 - 60_000);
  expect(await scene.identity.session(acme, cookies(person.browser))).toBeDefined();
  runtime.advance(60_000);
  expect(await scene.identity.session(acme, cookies(person.browser))).toBeUndefined();
  expect(await powersOf(person)).toEqual(dead);
});

test('a suspended tenant’s sessions are refused and kept: resumed, they live again', async () => {
  const person = await newPerson();
  const setStatus = (status: string) => db.admin(`update mono.tenants set status = $1`, [status]);
  await setStatus('suspended');
  expect(await scene.identity.session(acme, cookies(person.browser))).toBeUndefined();
  expect((await powersOf(person)).token).toBe(401);
  await setStatus('active');
  expect(await powersOf(person)).toEqual(alive);
});

test('signing out writes its evidence, ends the session and puts it into the feed', async () => {
  const person = await newPerson();
  const copy = cookies(person.browser).get('cookie') as string;
  expect((await person.browser.post('/t/acme/auth/sign-out', {})).status).toBe(200);
  expect([...person.browser.jar.keys()]).toEqual([]);
  const answer = await openBrowser(scene, baseUrl).get('/t/acme/auth/get-session', { cookie: copy });
  expect(await answer.json()).toBeNull();
  const state = await scene.feed.state(acme.id);
  const claims = { jti: 'x', sub: `user:${person.userId}`, sid: person.sessionId, ep: 99, fs: 99 };
  expect(state.isRevoked(claims)).toMatchObject({ revoked: true, why: 'session' });
  const events = await db.admin(
    'select actor, object_kind from mono.audit_events where type = $1 order by id desc limit 1',
    ['session.ended'],
  );
  expect(events).toEqual([{ actor: `user:${person.userId}`, object_kind: 'session' }]);
});

test('no session without its evidence: when the log cannot be written, signing in fails and leaves nothing', async () => {
  const email = `person-${people++}@example.com`;
  await scene.openUser(acme, email, password);
  const count = async () => (await db.admin('select id from identity.session')).length;
  const before = await count();
  await db.admin('revoke insert on mono.audit_events from mono_app');
  try {
    const browser = openBrowser(scene, baseUrl);
    const response = await browser.post('/t/acme/auth/sign-in/email', { email, password });
    expect(response.status).toBe(503);
    expect(browser.jar.size).toBe(0);
    expect(await count()).toBe(before);
    const wrong = await browser.post('/t/acme/auth/sign-in/email', { email, password: 'wrong' });
    expect(wrong.status).toBe(503);
  } finally {
    await db.admin('grant insert on mono.audit_events to mono_app');
  }
});

test('a sign-in and a refused one leave their events; the refused one names nobody', async () => {
  const browser = openBrowser(scene, baseUrl);
  const tried = `person-${people - 1}@example.com`;
  expect((await browser.post('/t/acme/auth/sign-in/email', { email: tried, password: 'wrong' })).status).toBe(401);
  const [denied] = await db.admin<{ actor: string; outcome: number; envelope: Buffer }>(
    `select actor, outcome, envelope from mono.audit_events where type = 'session.created' order by id desc limit 1`,
  );
  expect(denied?.actor).toBe('anonymous:');
  expect(denied?.envelope.toString('latin1')).not.toContain(tried);
  const person = await newPerson();
  const [made] = await db.admin<{ actor: string }>(
    `select actor from mono.audit_events where type = 'session.created' order by id desc limit 1`,
  );
  expect(made?.actor).toBe(`user:${person.userId}`);
});
