import { idFromUuid, newId, uuidOf } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { redeem, redemptionOf } from './enrol-plainly.ts';
import { type Installation, openInstallation, ownerEmail, ownerPassword } from './installation.ts';
import { makeKey, type PlainAnswer, PlainClient, postRpc, tokenOf } from './plain-client.ts';
import { openTenantScene, type TenantScene } from './tenant-scene.ts';

let db: TestDatabase;
let installation: Installation;
let there: TenantScene;
let here: TenantScene;

beforeAll(async () => {
  db = await openTestDatabase();
  installation = await openInstallation(db.database, testKek);
  there = await openTenantScene(installation, 'quokka');
  here = await openTenantScene(installation, 'wombat');
});
afterAll(async () => {
  await installation?.close();
  await db?.close();
});

interface Cookie {
  readonly name: string;
  readonly value: string;
}

/** The session cookie that a browser gets when the owner signs in. */
async function signedInCookie({ issuer }: TenantScene): Promise<Cookie> {
  const answer = await fetch(`${issuer}/auth/sign-in/email`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: installation.baseUrl },
    body: JSON.stringify({ email: ownerEmail, password: ownerPassword }),
  });
  const [pair = ''] = answer.headers.getSetCookie()[0]?.split(';') ?? [];
  const at = pair.indexOf('=');
  if (answer.status !== 200 || at < 0) throw new Error(`not signed in: ${answer.status}`);
  return { name: pair.slice(0, at), value: pair.slice(at + 1) };
}

const visit = ({ issuer }: TenantScene, path: string, { name, value }: Cookie, init: RequestInit = {}) =>
  fetch(`${issuer}${path}`, {
    ...init,
    headers: { origin: installation.baseUrl, 'content-type': 'application/json', cookie: `${name}=${value}` },
    redirect: 'manual',
  });

/** What the holder of a cookie can do with it: see the account, read the session, get a token. */
async function reachedBy(cookie: Cookie, scene: TenantScene): Promise<string[]> {
  const account = await visit(scene, '/account', cookie);
  const session = await visit(scene, '/auth/get-session', cookie);
  const token = await visit(scene, '/auth/token', cookie, { method: 'POST', body: '{}' });
  const reached: string[] = [];
  if (account.status === 200 || (await account.text()).includes(ownerEmail)) reached.push('account');
  if ((await session.text()).includes(ownerEmail)) reached.push('session');
  if (((await token.json()) as { access_token?: string }).access_token) reached.push('token');
  return reached;
}

test('a session cookie is good in its own tenant, and nothing in another one, whatever name it bears there', async () => {
  const [theirs, mine] = [await signedInCookie(there), await signedInCookie(here)];
  expect(theirs.name).not.toBe(mine.name);
  expect(await reachedBy(theirs, there)).toEqual(['account', 'session', 'token']);
  expect(await reachedBy(theirs, here)).toEqual([]);
  expect(await reachedBy({ name: mine.name, value: theirs.value }, here)).toEqual([]);
  expect(await reachedBy(theirs, there)).toEqual(['account', 'session', 'token']);
});

test('the account page of another tenant sends its visitor to sign in there', async () => {
  const answer = await visit(here, '/account', await signedInCookie(there));
  expect(answer.status).toBe(303);
  expect(answer.headers.get('location')).toContain('/t/wombat/sign-in');
});

test('an invite redeemed on the path of another tenant is not found, and stays good for its own', async () => {
  const key = await makeKey();
  const redemption = await redemptionOf(there.issuer, there.handles.inviteToken, key);
  const elsewhere = await redeem(here.issuer, redemption);
  expect([elsewhere.status, elsewhere.body.message]).toEqual([404, 'credential not found']);
  const own = await redeem(there.issuer, redemption);
  expect(own.status).toBe(200);
  expect(own.body.issuer).toBe(there.issuer);
});

/** An answer without what differs from call to call. */
const said = ({ status, body }: PlainAnswer) => [status, body.error, body.error_description];

test('a client of another tenant is refused like a client that never was, with either tenant as audience', async () => {
  const nobody = { id: newId(systemRuntime, 'cli'), key: await makeKey() };
  for (const audience of [here.issuer, there.issuer]) {
    const ask = async ({ id, key }: Pick<PlainClient, 'id' | 'key'>) =>
      said(await new PlainClient(audience, id, key).clientCredentials({}, here.issuer));
    const refused = await ask(nobody);
    expect(refused.slice(0, 2)).toEqual([401, 'invalid_client']);
    expect(await ask(there.service)).toEqual(refused);
    expect(await ask(there.host.client)).toEqual(refused);
  }
  tokenOf(await there.host.client.clientCredentials());
});

test('a client of the same name has another id in each tenant', () => {
  const ids = [there, here].flatMap(({ service, host }) => [service.id, host.client.id]);
  expect(new Set(ids).size).toBe(4);
});

test('a subject token or an actor token of another tenant cannot be exchanged', async () => {
  const subjectOf = ({ owner, issuer }: TenantScene) => owner.token({ audience: issuer, scope: 'orders:read' });
  const actorOf = async ({ host, handles }: TenantScene) =>
    tokenOf(await host.client.clientCredentials({ agent: handles.agent }));
  const exchange = (subject: string, actor: string) =>
    here.host.client.exchange({ subject, actor }, { audience: here.resource });
  const [subject, actor] = [await subjectOf(here), await actorOf(here)];
  const foreignSubject = await exchange(await subjectOf(there), actor);
  expect(foreignSubject).toMatchObject({ status: 400, body: { error: 'invalid_request' } });
  expect(foreignSubject.body.error_description).toMatch(/^subject_token: /);
  const foreignActor = await exchange(subject, await actorOf(there));
  expect(foreignActor).toMatchObject({ status: 400, body: { error: 'invalid_request' } });
  expect(foreignActor.body.error_description).toMatch(/^actor_token: /);
  tokenOf(await exchange(subject, actor));
});

test('an agent and a resource of another tenant are nothing to a host', async () => {
  const { client } = here.host;
  const never = await client.clientCredentials({ agent: newId(systemRuntime, 'agt') });
  expect(never.status).toBe(400);
  expect(said(await client.clientCredentials({ agent: there.handles.agent }))).toEqual(said(never));
  const unknown = await client.clientCredentials({ resource: 'https://nowhere.example' });
  expect(said(await client.clientCredentials({ resource: there.resource }))).toEqual(said(unknown));
  expect(unknown.body.error).toBe('invalid_target');
});

test('introspection of a token of another tenant says that it is not active, and nothing else', async () => {
  const byForm = (scene: TenantScene, token: string) => scene.service.introspect(token).then(({ body }) => body);
  const byRpc = (scene: TenantScene, token: string) =>
    postRpc(scene.issuer, 'monoauth.tokens.v1.TokenService/Introspect', { token }, scene.ownerToken);
  expect(await byForm(there, there.ownerToken)).toMatchObject({ active: true });
  expect(await byForm(here, there.ownerToken)).toEqual({ active: false });
  expect((await byRpc(there, there.ownerToken)).body).toMatchObject({ active: true });
  expect((await byRpc(here, there.ownerToken)).body).toEqual({});
});

test('whoever revokes the token of another tenant in their own has revoked nothing there', async () => {
  const token = await there.owner.token();
  const { jti } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
  const method = 'monoauth.revocation.v1.RevocationService/Revoke';
  const order = { target: { tokenId: jti }, reason: 'not mine' };
  expect((await postRpc(here.issuer, method, order, here.ownerToken)).status).toBe(200);
  expect((await here.service.post('revoke', { token })).status).toBe(200);
  const read = () => postRpc(there.issuer, 'monoauth.tenants.v1.TenantService/GetTenant', {}, token);
  expect((await read()).status).toBe(200);
  expect((await postRpc(there.issuer, method, order, there.ownerToken)).status).toBe(200);
  expect((await read()).status).toBe(401);
});

test('a person of another tenant is no member here, though both have one address', async () => {
  const rows = await db.admin<{ tenant_id: string; id: string }>(
    'select tenant_id, id from identity."user" where email = $1',
    [ownerEmail],
  );
  const mine = rows.filter(({ tenant_id }) => [here, there].some(({ tenantId }) => uuidOf(tenantId) === tenant_id));
  expect(mine.map(({ id }) => idFromUuid('usr', id)).sort()).toEqual([here.handles.user, there.handles.user].sort());
  const agent = { hostId: here.handles.host, name: 'borrowed', ownerUserId: there.handles.user };
  const answer = await postRpc(here.issuer, 'monoauth.machines.v1.MachineService/CreateAgent', agent, here.ownerToken);
  expect([answer.status, answer.body.message]).toEqual([404, 'user not found']);
});
