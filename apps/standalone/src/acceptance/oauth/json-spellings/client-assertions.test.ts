import { systemRuntime } from '@mono-auth/core/runtime';
import { openTestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ask, send } from '../negative/ask.ts';
import { assertionType, type Lab, machineToken, nowSeconds, openLab } from '../negative/lab.ts';
import {
  type Answer,
  answerOf,
  dateTypes,
  disagreements,
  draftOf,
  headerTypes,
  kidTypes,
  type NamedVerifier,
  type Spelling,
  signDraft,
  signerOf,
  spellingsOf,
} from './spellings.ts';

let lab: Lab;
let token: string;

beforeAll(async () => {
  lab = await openLab(await openTestDatabase(), testKek);
  token = await machineToken(lab);
});
afterAll(() => lab?.scene.close());

function assertionOf(bend: Spelling['bend']): Promise<string> {
  const { id, key } = lab.keyed;
  const now = nowSeconds();
  const claims = { iss: id, sub: id, aud: lab.scene.issuer, iat: now, nbf: now, exp: now + 60 };
  const header = { alg: 'ES256', kid: key.jkt, typ: 'client-authentication+jwt' };
  return signDraft(bend(draftOf(header, { ...claims, jti: systemRuntime.uuid() })), signerOf(key.privateKey));
}

async function present(path: string, form: Record<string, string>, bend: Spelling['bend']): Promise<Answer> {
  const credential = { client_assertion_type: assertionType, client_assertion: await assertionOf(bend) };
  const answer = await send(ask(lab.scene.issuer, path, { ...form, ...credential }));
  if (answer.status === 401) expect(answer.body.error_description).toBe('client authentication failed');
  return answerOf([401], answer);
}

/** Every endpoint where a client authenticates, with what is right there besides. */
const verifiers: readonly NamedVerifier[] = [
  { name: 'the token endpoint', ask: (bend) => present('/oauth2/token', { grant_type: 'client_credentials' }, bend) },
  { name: 'introspection', ask: (bend) => present('/oauth2/introspect', { token }, bend) },
  { name: 'revocation', ask: (bend) => present('/oauth2/revoke', { token: 'unknown' }, bend) },
];

const spellings = spellingsOf({
  header: { ...headerTypes, ...kidTypes },
  payload: {
    iss: ['""', '[@]', '7', 'null'],
    sub: ['""', '[@]', '1', 'true', 'null'],
    aud: ['""', '7', '{}', '[]', '[[@]]', 'null'],
    exp: ['1', ...dateTypes],
    nbf: dateTypes,
    iat: dateTypes,
    jti: ['""', '1', '[@]', '{}', 'null'],
  },
});

test('a client assertion in whatever spelling gets one answer from every endpoint', async () => {
  expect(await disagreements(spellings, verifiers)).toEqual([]);
}, 60_000);
