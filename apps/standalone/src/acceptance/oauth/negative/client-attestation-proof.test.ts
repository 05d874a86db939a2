import { openTestDatabase, testKek } from '@mono-auth/testing';
import { SignJWT } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeKey, type PlainKey } from '../../plain-client.ts';
import {
  type AttestationScene,
  asking,
  attest,
  type Change,
  fetchChallenge,
  openAttestation,
  registerAttested,
} from '../attestation-scene.ts';
import { ordersApi, type RegisteredClient, registerMachine } from '../oauth-scene.ts';
import { type Ask, ask, basic, breakEach, type Row, row, send } from './ask.ts';
import {
  bendsOf,
  challenged,
  header,
  invalid,
  otherUnusedBits,
  popHeader,
  resigned,
  spelled,
  twice,
  unsigned,
  withOtherS,
} from './attestation-bends.ts';
import { assertionType, nowSeconds } from './lab.ts';
import { learnNonce, makeProofKey, type ProofKey } from './proof-key.ts';

let scene: AttestationScene;
let stranger: PlainKey;
let keyed: RegisteredClient;
let withSecret: RegisteredClient;
let combined: RegisteredClient;

beforeAll(async () => {
  scene = await openAttestation(await openTestDatabase(), testKek);
  const { home, attester } = scene;
  stranger = await makeKey();
  keyed = await registerMachine(home, { authMethod: 'AUTH_METHOD_PRIVATE_KEY_JWT' });
  withSecret = await registerMachine(home);
  combined = await registerAttested(home, attester, { authMethod: 'AUTH_METHOD_ATTEST_JWT_CLIENT_AUTH_DPOP' });
});
afterAll(() => scene?.home.close());

const { by, proves } = bendsOf(() => scene);
const instanceKey = () => scene.instance.privateKey;

/** What is no proof, or another's. */
const signatureRows = (): Row[] => [
  invalid('§7', 'no proof at all', ({ headers }) => headers.delete(popHeader)),
  invalid('§5.1', 'no JWT', ({ headers }) => headers.set(popHeader, 'proof')),
  invalid('§7.2', 'twice', ({ headers }) => headers.append(popHeader, headers.get(popHeader) ?? '')),
  invalid(
    'law 9',
    'padding',
    spelled(popHeader, (text) => `${text}==`),
  ),
  invalid('law 9', 'other unused bits at its end', spelled(popHeader, otherUnusedBits)),
  invalid('§5.1', 'the type of any JWT', proves({}, 'JWT')),
  invalid('§5.1', 'the type of a DPoP proof', proves({}, 'dpop+jwt')),
  invalid('§5.1', 'the type of an attestation', proves({}, 'oauth-client-attestation+jwt')),
  invalid('§5.1', 'no type', resigned(popHeader, { typ: undefined }, instanceKey)),
  invalid('§5.1', 'the attestation in its place', ({ headers }) => headers.set(popHeader, headers.get(header) ?? '')),
  invalid('§7.2', 'none as its algorithm', spelled(popHeader, unsigned)),
  invalid(
    '§7.2',
    'the public key as a secret',
    resigned(popHeader, { alg: 'HS256' }, () => Buffer.from(JSON.stringify(scene.instance.publicJwk))),
  ),
  invalid(
    '§7.2',
    'the key of another instance',
    resigned(popHeader, {}, () => stranger.privateKey),
  ),
  invalid(
    '§7.2',
    'the key of the attester',
    resigned(popHeader, {}, () => scene.attester.key.privateKey),
  ),
  invalid('§7.2', 'another key in its header', (ask) =>
    resigned(popHeader, { jwk: stranger.publicJwk }, () => stranger.privateKey)(ask),
  ),
];

/** For whom it was made, when, and over which challenge. */
const contentRows = (): Row[] => [
  invalid('§5.1', 'no aud', proves({ aud: undefined })),
  invalid('§7.2', 'another server as aud', proves({ aud: 'https://elsewhere.example' })),
  invalid('§7.2', 'the other tenant as aud', (ask) => proves({ aud: scene.other.issuer })(ask)),
  invalid('§7.2', 'a slash more in aud', (ask) => proves({ aud: `${ask.issuer}/` })(ask)),
  invalid('§7.2', 'the token endpoint as aud', (ask) => proves({ aud: `${ask.issuer}/oauth2/token` })(ask)),
  invalid('§5.1', 'a second aud', (ask) => proves({ aud: [ask.issuer, 'https://elsewhere.example'] })(ask)),
  invalid('§5.1', 'an empty list as aud', proves({ aud: [] })),
  invalid(
    '7519 §4',
    'another aud behind the right one',
    twice(popHeader, instanceKey, () => ({ aud: scene.other.issuer })),
  ),
  invalid('§5.1', 'no jti', proves({ jti: undefined })),
  invalid('§5.1', 'an empty jti', proves({ jti: '' })),
  invalid('§5.1', 'a jti that is too long', proves({ jti: 'x'.repeat(1_000) })),
  invalid('§5.1', 'no iat', proves({ iat: undefined })),
  invalid('§7.2', 'an iat of long ago', proves({ iat: nowSeconds() - 3_600 })),
  invalid('§7.2', 'an iat ahead', proves({ iat: nowSeconds() + 3_600 })),
  invalid('7519 §4.1.4', 'an exp that is over', proves({ exp: nowSeconds() - 60 })),
  invalid('§5.1', 'a number as its challenge', proves({ challenge: 7 })),
  challenged('§6', 'no challenge', proves({ challenge: undefined })),
  challenged('§6', 'a challenge of its own', proves({ challenge: 'mine' })),
  challenged('law 5', 'a challenge of the other tenant', async (ask) =>
    proves({ challenge: await fetchChallenge(scene.other.issuer) })(ask),
  ),
  challenged('§6', 'a nonce that is for DPoP', async (bent) => {
    const { headers } = await send(ask(bent.issuer, '/oauth2/challenge', {}));
    await proves({ challenge: headers.get('dpop-nonce') })(bent);
  }),
  challenged('law 9', 'a challenge with padding', async (ask) =>
    proves({ challenge: `${await fetchChallenge(ask.issuer)}=` })(ask),
  ),
];

const nameAlone = ({ headers, form }: Ask) => {
  for (const name of [header, popHeader]) headers.delete(name);
  form.set('client_id', scene.machine.id);
};
const withAssertion = async ({ form, issuer }: Ask) => {
  const claims = { iss: keyed.id, sub: keyed.id, aud: issuer };
  form.set('client_assertion_type', assertionType);
  form.set('client_assertion', await keyed.key.sign('client-authentication+jwt', claims));
};

/** What else is in the request, as far as nobody is proven by it. */
const requestRows = (): Row[] => {
  const nobody = [401, 'invalid_client'] as const;
  const two = [400, 'invalid_request'] as const;
  return [
    row('§7', 'a proof alone', ({ headers }) => headers.delete(header), ...nobody),
    row('6749 §2.3', 'the name alone', nameAlone, ...nobody),
    row('6749 §2.3', 'a client of the other mode', (ask) => by(() => [scene.attester, combined])(ask), ...nobody),
    row(
      '6749 §2.3',
      'a secret in the header beside it',
      ({ headers }) => headers.set('authorization', basic(withSecret.id, withSecret.secret)),
      ...two,
    ),
    row('6749 §2.3', 'a secret in the form beside it', ({ form }) => form.set('client_secret', 'x'), ...two),
    row('6749 §2.3', 'a client assertion beside it', withAssertion, ...two),
    invalid('law 5', 'at the other tenant', (ask) => {
      ask.issuer = scene.other.issuer;
    }),
  ];
};

test('each MUST of a proof, broken once, is refused with its own code, and nothing is used up or leaked', async () => {
  const rows = [...signatureRows(), ...contentRows(), ...requestRows()];
  expect(await breakEach(rows, () => asking(scene))).toEqual([]);
  process.stdout.write(`proof of a client instance: ${rows.length} rows\n`);
});

/** The combined mode of §5.2. */
const combinedRows = (key: ProofKey, nonce: string): Row[] => {
  const bent =
    (change: Change, by = key) =>
    async (ask: Ask) =>
      ask.headers.set('dpop', await by.prove(ask, {}, { nonce, ...change }));
  const attests = async ({ headers, form }: Ask, id: string, jwk = key.jwk) => {
    form.delete('client_id');
    headers.set(header, await attest(scene.attester, id, { publicJwk: jwk }));
  };
  const proof = [400, 'invalid_dpop_proof'] as const;
  const nonceWanted = [400, 'use_dpop_nonce'] as const;
  const nobody = [401, 'invalid_client'] as const;
  return [
    invalid('§7', 'no proof', ({ headers }) => headers.delete('dpop')),
    invalid('§7.3', 'the key of another instance', async (ask) => bent({}, await makeProofKey())(ask)),
    invalid('§7.3', 'an attestation of another key', (ask) => attests(ask, combined.id, stranger.publicJwk)),
    row('§7.3', 'two proofs', ({ headers }) => headers.append('dpop', headers.get('dpop') ?? ''), ...proof),
    row('9449 §4.3', 'a proof for another endpoint', bent({ htu: 'https://elsewhere.example' }), ...proof),
    row('§7.4', 'no nonce', bent({ nonce: undefined }), ...nonceWanted),
    row(
      '§6',
      'a challenge as its nonce',
      async (ask) => bent({ nonce: await fetchChallenge(ask.issuer) })(ask),
      ...nonceWanted,
    ),
    row('§7', 'no attestation', ({ headers }) => headers.delete(header), ...nobody),
    row('6749 §2.3', 'a client of the other mode', (ask) => attests(ask, scene.machine.id), ...nobody),
    row(
      '§7',
      'the proof of the other mode beside it',
      async ({ headers, issuer }) => {
        const claims = { aud: issuer, challenge: await fetchChallenge(issuer), iat: nowSeconds(), jti: 'beside' };
        const typ = 'oauth-client-attestation-pop+jwt';
        headers.set(
          popHeader,
          await new SignJWT(claims).setProtectedHeader({ alg: 'ES256', typ }).sign(key.privateKey),
        );
      },
      ...nobody,
    ),
  ];
};

test('each MUST of the combined mode, broken once, is refused with its own code, and nothing is used up or leaked', async () => {
  const key = await makeProofKey();
  const bare = async () => {
    const form = { grant_type: 'client_credentials', resource: ordersApi, client_id: combined.id };
    const request = ask(scene.home.issuer, '/oauth2/token', form);
    request.headers.set(header, await attest(scene.attester, combined.id, { publicJwk: key.jwk }));
    return request;
  };
  const nonce = await learnNonce(await bare(), key);
  const right = async () => {
    const request = await bare();
    request.headers.set('dpop', await key.prove(request, {}, { nonce }));
    return request;
  };
  const rows = combinedRows(key, nonce);
  expect(await breakEach(rows, right)).toEqual([]);
  process.stdout.write(`proof of a client instance by DPoP: ${rows.length} rows\n`);
});

test.each([
  ['a scope that it does not hold', { scope: 'tokens:introspect' }, 'invalid_scope'],
  ['a resource that its attester is not trusted with', { resource: '' }, 'invalid_target'],
  ['a grant that it may not use', { grant_type: 'refresh_token', refresh_token: 'x' }, 'unauthorized_client'],
])('an instance that is proven is refused %s, and its proof is spent with that', async (_what, change, error) => {
  const request = await asking(scene, change);
  expect((await send(request)).body.error).toBe(error);
  expect((await send(request)).body.error).toBe('invalid_client_attestation');
});

test('a proof works once: also at the same moment, in another spelling, and beside another attestation of the key', async () => {
  const request = await asking(scene);
  const answers = await Promise.all(Array.from({ length: 6 }, () => send(request)));
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 400, 400, 400, 400, 400]);
  const refused = answers.filter(({ status }) => status === 400).map(({ body }) => body.error);
  expect(new Set(refused)).toEqual(new Set(['invalid_client_attestation']));
  await spelled(popHeader, withOtherS)(request);
  expect((await send(request)).body.error).toBe('invalid_client_attestation');
  request.headers.set(header, await attest(scene.attester, scene.machine.id, scene.instance));
  expect((await send(request)).body.error).toBe('invalid_client_attestation');
});

test('the other spelling of a signature is a right one, so a proof that was not shown before is taken in it', async () => {
  const request = await asking(scene);
  await spelled(popHeader, withOtherS)(request);
  expect((await send(request)).status).toBe(200);
});
