import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { credentialsIn, type DumpedValue } from '../stolen-dump.ts';
import { type Ask, ask, send } from './negative/ask.ts';
import {
  authenticated,
  authorizationRequest,
  deviceGrant,
  type Lab,
  openLab,
  redemption,
  refreshing,
} from './negative/lab.ts';
import { appScopes, ordersApi, registerMachine } from './oauth-scene.ts';

/** Somebody has the database, and the client's own credential besides: what is kept of a grant opens nothing. */
let db: TestDatabase;
let lab: Lab;
let dump: DumpedValue[];

/** A request that is right with the true credential, and which of its parameters that is. */
interface Door {
  readonly request: Ask;
  readonly parameter: string;
}
const doors = new Map<string, Door>();

beforeAll(async () => {
  db = await openTestDatabase();
  lab = await openLab(db, testKek);
  const { scene, app } = lab;
  const { issuer } = scene;
  const code = await redemption(lab, app);
  const refresh = await refreshing(lab, app);
  const asked = { client_id: app.id, scope: appScopes.join(' '), resource: ordersApi };
  const device = await send(authenticated(ask(issuer, '/oauth2/device_authorization', asked), app));
  const machine = await registerMachine(scene, { authMethod: 'AUTH_METHOD_CLIENT_SECRET_POST' });
  const verifier = 'v'.repeat(43);
  const form = Object.fromEntries(authorizationRequest(app, verifier));
  const pushed = await send(authenticated(ask(issuer, '/oauth2/par', form), app));
  const atToken = (fields: Record<string, string>) => authenticated(ask(issuer, '/oauth2/token', fields), app);
  const made: Record<string, Door> = {
    'a code': { request: code, parameter: 'code' },
    'a refresh token': { request: refresh, parameter: 'refresh_token' },
    'a device code': {
      request: atToken({ grant_type: deviceGrant, device_code: String(device.body.device_code) }),
      parameter: 'device_code',
    },
    'a client secret': {
      request: ask(issuer, '/oauth2/token', {
        ...{ grant_type: 'client_credentials', client_id: machine.id, client_secret: machine.secret },
      }),
      parameter: 'client_secret',
    },
    'a pushed request': {
      request: {
        ...ask(issuer, '/oauth2/authorize', { client_id: app.id, request_uri: String(pushed.body.request_uri) }),
        method: 'GET',
      },
      parameter: 'request_uri',
    },
  };
  for (const [name, door] of Object.entries(made)) doors.set(name, door);
  dump = await db.dump();
});
afterAll(() => lab?.scene.close());

/** Whether the credential is good. A device that nobody has decided about is told to wait, a browser is sent to sign in. */
async function opens({ request, parameter }: Door, credential: string): Promise<boolean> {
  const form = new URLSearchParams(request.form);
  form.set(parameter, credential);
  const { status, body, headers } = await send({ ...request, form, headers: new Headers(request.headers) });
  if (parameter === 'request_uri') return /sign-in/.test(headers.get('location') ?? '');
  return status === 200 || body.error === 'authorization_pending' || body.error === 'slow_down';
}

test('no secret, code or token that was handed out stands in the dump', () => {
  const rows = dump.map(({ value }) => Buffer.from(value as string));
  for (const [name, { request, parameter }] of doors) {
    const secret = (request.form.get(parameter) ?? '').replace(/^.*[:.]/, '');
    expect(secret.length, name).toBeGreaterThan(20);
    expect(
      rows.some((bytes) => bytes.includes(secret)),
      name,
    ).toBe(false);
    expect(
      rows.some((bytes) => bytes.includes(Buffer.from(secret, 'base64url'))),
      name,
    ).toBe(false);
  }
  expect(rows.some((bytes) => bytes.includes(lab.app.id))).toBe(true);
});

test('no value of the dump is a code, a token, a secret or a pushed request, and the true ones still are', async () => {
  const found = new Set(dump.flatMap(credentialsIn));
  expect(found.size).toBeGreaterThan(100);
  const opened: string[] = [];
  const waiting = [...found];
  const lane = async () => {
    for (let text = waiting.pop(); text !== undefined; text = waiting.pop()) {
      for (const [name, door] of doors) if (await opens(door, text)) opened.push(`${text} as ${name}`);
    }
  };
  await Promise.all(Array.from({ length: 8 }, lane));
  expect(opened).toEqual([]);
  for (const [name, door] of doors)
    expect(await opens(door, door.request.form.get(door.parameter) ?? ''), name).toBe(true);
  process.stdout.write(`${found.size} values of the dump were tried at ${doors.size} doors of the grants\n`);
});
