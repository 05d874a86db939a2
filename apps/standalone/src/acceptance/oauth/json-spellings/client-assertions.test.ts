import { utf8 } from '@mono-auth/core/encoding';
import { systemRuntime } from '@mono-auth/core/runtime';
import { openTestDatabase, testKek } from '@mono-auth/testing';
import { CompactSign } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ask, send } from './negative/ask.ts';
import { assertionType, type Lab, machineToken, nowSeconds, openLab } from './negative/lab.ts';

let lab: Lab;
let token: string;

beforeAll(async () => {
  lab = await openLab(await openTestDatabase(), testKek);
  token = await machineToken(lab);
});
afterAll(() => lab?.scene.close());

/** A member of the claims, as text, so that what is written is exactly what is signed. */
type Members = readonly (readonly [name: string, json: string])[];

const right = (): Members => {
  const { id } = lab.keyed;
  const now = nowSeconds();
  const claims = { iss: id, sub: id, aud: lab.scene.issuer, iat: now, exp: now + 60, jti: systemRuntime.uuid() };
  return Object.entries(claims).map(([name, value]) => [name, JSON.stringify(value)]);
};

async function assertionOf(members: Members): Promise<string> {
  const { privateKey, jkt } = lab.keyed.key;
  const text = `{${members.map(([name, json]) => `"${name}":${json}`).join(',')}}`;
  const header = { alg: 'ES256', kid: jkt, typ: 'client-authentication+jwt' };
  return new CompactSign(utf8(text)).setProtectedHeader(header).sign(privateKey);
}

/** Every endpoint where a client authenticates, with what is right there besides. */
const endpoints: readonly (readonly [path: string, form: () => Record<string, string>])[] = [
  ['/oauth2/token', () => ({ grant_type: 'client_credentials' })],
  ['/oauth2/introspect', () => ({ token })],
  ['/oauth2/revoke', () => ({ token: 'unknown' })],
];

/** @returns what each endpoint says of claims like these, each time with claims of its own. */
function answers(bend: (members: Members) => Members): Promise<string[]> {
  return Promise.all(
    endpoints.map(async ([path, form]) => {
      const client_assertion = await assertionOf(bend(right()));
      const credential = { client_assertion_type: assertionType, client_assertion };
      const { status, body } = await send(ask(lab.scene.issuer, path, { ...form(), ...credential }));
      return status === 200 ? 'taken' : `${status} ${body.error}: ${body.error_description}`;
    }),
  );
}

const taken = endpoints.map(() => 'taken');
const refused = endpoints.map(() => '401 invalid_client: client authentication failed');
const replace = (name: string, json: string) => (members: Members) =>
  members.map((member) => (member[0] === name ? ([name, json] as const) : member));

test('the order of claims, and claims that nobody asked for, change nothing', async () => {
  expect(await answers((members) => members)).toEqual(taken);
  expect(await answers((members) => members.toReversed())).toEqual(taken);
  expect(await answers((members) => [['x', '[{"aud":"elsewhere"}]'], ...members])).toEqual(taken);
});

// RFC 7519 §4: of members with one name the last one counts, here as everywhere.
test.each(['iss', 'sub', 'aud', 'exp', 'jti'])('of two members %s the last one counts, everywhere', async (name) => {
  const other = name === 'exp' ? '1' : '""';
  expect(await answers((members) => [...members, [name, other]])).toEqual(refused);
  expect(await answers((members) => [[name, other], ...members])).toEqual(taken);
});

test.each([
  ['iss', '["a"]'],
  ['iss', 'null'],
  ['sub', '1'],
  ['sub', 'true'],
  ['aud', '7'],
  ['aud', '{}'],
  ['aud', '[]'],
  ['aud', '[["a"]]'],
  ['exp', '"9999999999"'],
  ['exp', 'null'],
  ['exp', '1e400'],
  ['iat', '"1"'],
  ['jti', '1'],
  ['jti', '{}'],
  ['jti', '""'],
])('%s of another type, %s, is refused alike everywhere', async (name, json) => {
  expect(await answers(replace(name, json))).toEqual(refused);
});
