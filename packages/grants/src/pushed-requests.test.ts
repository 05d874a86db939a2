import { FakeRuntime, openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type GrantScene, openGrantScene, type ScenePart } from './grant-scene.ts';
import { pushRequest, takePushedRequest } from './pushed-requests.ts';

const runtime = new FakeRuntime();
const parameters = { scope: 'openid', resource: ['https://a.test', 'https://b.test'], state: 's' };
let db: TestDatabase;
let scene: GrantScene;

beforeAll(async () => {
  db = await openTestDatabase();
  scene = await openGrantScene({ ...db, runtime, kek: testKek });
});
afterAll(() => db.close());

const push = ({ run, clientId }: ScenePart = scene.home) =>
  run((tx) => pushRequest(tx, runtime, { clientId, parameters }));
const take = (requestUri: string, { run, clientId }: ScenePart = scene.home, asClient = clientId) =>
  run((tx) => takePushedRequest(tx, runtime, { requestUri, clientId: asClient }));

test('pushed parameters come back as they were, once (RFC 9126 §4)', async () => {
  const { requestUri, expiresInSeconds } = await push();
  expect(requestUri).toMatch(/^urn:ietf:params:oauth:request_uri:[A-Za-z0-9_-]{43}$/);
  expect(expiresInSeconds).toBe(60);
  expect(await take(requestUri)).toEqual(parameters);
  expect(await take(requestUri)).toBeUndefined();
});

test('of fifty who take a request at the same moment one gets it', async () => {
  const { requestUri } = await push();
  const takes = await Promise.all(Array.from({ length: 50 }, () => take(requestUri)));
  expect(takes.filter((parameters) => parameters !== undefined)).toHaveLength(1);
});

test('another client or tenant, a late comer and a guess get one answer, and use nothing up', async () => {
  const { requestUri } = await push();
  expect(await take(requestUri, scene.home, scene.home.neighbourId)).toBeUndefined();
  expect(await take(requestUri, scene.other)).toBeUndefined();
  for (const guess of ['', 'https://evil.test/request', `${requestUri}x`]) {
    expect(await take(guess)).toBeUndefined();
  }
  expect(await take(requestUri)).toEqual(parameters);
  const late = await push();
  runtime.advance(60_000);
  expect(await take(late.requestUri)).toBeUndefined();
});

test('parameters beyond their limit are refused', async () => {
  const { run, clientId } = scene.home;
  const long = run((tx) => pushRequest(tx, runtime, { clientId, parameters: { state: 'x'.repeat(17_000) } }));
  await expect(long).rejects.toMatchObject({ reason: 'too_large' });
});
