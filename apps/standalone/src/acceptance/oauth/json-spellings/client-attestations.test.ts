import { systemRuntime } from '@mono-auth/core/runtime';
import { openTestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type AttestationScene,
  attest,
  fetchChallenge,
  openAttestation,
  provePossession,
} from '../attestation-scene.ts';
import { ask, send } from '../negative/ask.ts';
import { header as attestationHeader, popHeader } from '../negative/attestation-bends.ts';
import { nowSeconds } from '../negative/lab.ts';
import { ordersApi } from '../oauth-scene.ts';
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

let scene: AttestationScene;

beforeAll(async () => {
  scene = await openAttestation(await openTestDatabase(), testKek);
});
afterAll(() => scene?.home.close());

type Bend = Spelling['bend'];

function attestationOf(bend: Bend): Promise<string> {
  const { attester, machine, instance } = scene;
  const now = nowSeconds();
  const claims = {
    iss: attester.issuer,
    sub: machine.id,
    iat: now,
    nbf: now,
    exp: now + 60,
    jti: systemRuntime.uuid(),
  };
  const header = { alg: 'ES256', kid: attester.key.jkt, typ: 'oauth-client-attestation+jwt' };
  const draft = draftOf(header, { ...claims, cnf: { jwk: instance.publicJwk } });
  return signDraft(bend(draft), signerOf(attester.key.privateKey));
}

async function proofOf(bend: Bend): Promise<string> {
  const { home, instance } = scene;
  const now = nowSeconds();
  const challenge = await fetchChallenge(home.issuer);
  const claims = { aud: home.issuer, iat: now, nbf: now, exp: now + 60, jti: systemRuntime.uuid(), challenge };
  const header = { alg: 'ES256', kid: instance.jkt, typ: 'oauth-client-attestation-pop+jwt' };
  return signDraft(bend(draftOf(header, claims)), signerOf(instance.privateKey));
}

async function present(path: string, form: Record<string, string>, shown: readonly [string, string]): Promise<Answer> {
  const request = ask(scene.home.issuer, path, form);
  request.headers.set(attestationHeader, shown[0]);
  request.headers.set(popHeader, shown[1]);
  return answerOf([400], await send(request));
}

/** Two endpoints where an instance authenticates: one that grants, one that does not. */
const verifiersOf = (show: (bend: Bend) => Promise<readonly [string, string]>): readonly NamedVerifier[] => [
  {
    name: 'the token endpoint',
    ask: async (bend) =>
      present('/oauth2/token', { grant_type: 'client_credentials', resource: ordersApi }, await show(bend)),
  },
  { name: 'revocation', ask: async (bend) => present('/oauth2/revoke', { token: 'unknown' }, await show(bend)) },
];

test('an attestation in whatever spelling gets one answer from every endpoint', async () => {
  const spellings = spellingsOf({
    header: { ...headerTypes, ...kidTypes },
    payload: {
      iss: ['""', '[@]', '7', 'null'],
      sub: ['""', '[@]', '1', 'true', 'null'],
      exp: ['1', ...dateTypes],
      nbf: dateTypes,
      iat: dateTypes,
      jti: ['""', '1', '[@]', '{}', 'null'],
      cnf: ['{}', '[@]', '"@"', '7', 'null', '{"jwk":null}', '{"jwk":[]}', '{"jwk":{}}', '{"jwk":{"kty":"EC"}}'].map(
        (json) => json.replace('"@"', '"key"'),
      ),
    },
  });
  const verifiers = verifiersOf(async (bend) => [
    await attestationOf(bend),
    await provePossession(scene.instance, scene.home.issuer),
  ]);
  expect(await disagreements(spellings, verifiers)).toEqual([]);
}, 60_000);

test('the proof of an instance in whatever spelling gets one answer from every endpoint', async () => {
  const { attester, machine, instance } = scene;
  const spellings = spellingsOf({
    header: { ...headerTypes, kid: ['7', 'null', '[@]', '{}'] },
    payload: {
      aud: ['""', '7', '{}', '[]', '[[@]]', 'null'],
      exp: ['1', ...dateTypes],
      nbf: dateTypes,
      iat: dateTypes,
      jti: ['""', '1', '[@]', '{}', 'null'],
      challenge: ['""', '7', '[@]', '{}', 'null'],
    },
  });
  const verifiers = verifiersOf(async (bend) => [await attest(attester, machine.id, instance), await proofOf(bend)]);
  expect(await disagreements(spellings, verifiers)).toEqual([]);
}, 60_000);
