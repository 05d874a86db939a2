import { openTestDatabase, testKek } from '@mono-auth/testing';
import { exportJWK, generateKeyPair, type JWK } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeKey, type PlainKey } from '../../plain-client.ts';
import {
  type AttestationScene,
  asking,
  attested,
  openAttestation,
  registerAttested,
  setClientAttestation,
  vouches,
} from '../attestation-scene.ts';
import { type PlayedIssuer, playIssuer } from '../federation-scene.ts';
import { ordersApi, type RegisteredClient, registerApp, registerMachine } from '../oauth-scene.ts';
import { ask, breakEach, type Row, send } from './ask.ts';
import {
  bendsOf,
  header,
  invalid,
  otherUnusedBits,
  popHeader,
  resigned,
  spelled,
  stale,
  twice,
  unsigned,
} from './attestation-bends.ts';
import { nowSeconds } from './lab.ts';

/** An attester with a client that names it. */
type Party = readonly [PlayedIssuer, RegisteredClient];

let scene: AttestationScene;
let stranger: PlainKey;
/** Trusted as well, for clients that name it. */
let second: Party;
/** Trusted by the other tenant alone. */
let foreign: Party;
/** Trusted for other things, for other clients, not at the moment, and not any more. */
let provider: Party;
let reserved: Party;
let suspended: Party;
let removed: Party;
let keyed: RegisteredClient;
let withSecret: RegisteredClient;
let publicApp: RegisteredClient;
let atOther: RegisteredClient;

beforeAll(async () => {
  scene = await openAttestation(await openTestDatabase(), testKek);
  const { home, other, machine } = scene;
  const party = async (name: string, trust = {}, at = home): Promise<Party> => {
    const attester = await playIssuer(at, name, { ...vouches, ...trust });
    return [attester, await registerAttested(home, attester)];
  };
  const otherPurposes = ['ID_JAG', 'WORKLOAD', 'IDENTITY_CHAINING'].map((name) => `ASSERTION_PURPOSE_${name}`);
  stranger = await makeKey();
  second = await party('second');
  foreign = await party('foreign', {}, other);
  provider = await party('provider', { purposes: otherPurposes });
  reserved = await party('reserved', { clientIds: [machine.id] });
  suspended = await party('suspended');
  removed = await party('removed');
  const federation = 'federation.v1.FederationService';
  await home.rpc(`${federation}/SuspendIssuer`, { id: suspended[0].id, reason: 'looked at' });
  await home.rpc(`${federation}/RemoveIssuer`, { id: removed[0].id, reason: 'sold' });
  keyed = await registerMachine(home, { authMethod: 'AUTH_METHOD_PRIVATE_KEY_JWT' });
  withSecret = await registerMachine(home);
  publicApp = await registerApp(home);
  atOther = await registerAttested(other, scene.attester);
});
afterAll(() => scene?.home.close());

const { says, by, proves } = bendsOf(() => scene);
const nobody = 'cli_01arz3ndektsv4rrffq69g5fav';
const attesterKey = () => scene.attester.key.privateKey;
const secretOf = (key: JWK) => Buffer.from(JSON.stringify(key));

/** What is no attestation, or was signed by somebody else. */
const signatureRows = (): Row[] => [
  invalid('§4', 'no JWT', ({ headers }) => headers.set(header, 'attestation')),
  invalid('§4', 'an empty one', ({ headers }) => headers.set(header, '')),
  invalid(
    'law 9',
    'padding',
    spelled(header, (text) => `${text}==`),
  ),
  invalid(
    'law 9',
    'a fourth part',
    spelled(header, (text) => `${text}.x`),
  ),
  invalid('law 9', 'other unused bits at its end', spelled(header, otherUnusedBits)),
  invalid(
    '§4',
    'parameters behind it',
    spelled(header, (text) => `${text};a=1`),
  ),
  invalid(
    '§7.1',
    'no signature',
    spelled(header, (text) => text.replace(/[^.]+$/, '')),
  ),
  invalid(
    '§7.1',
    'another signature',
    spelled(header, (text) => `${text.slice(0, -8)}AAAAAAAA`),
  ),
  invalid('§7.1', 'none as its algorithm', spelled(header, unsigned)),
  invalid('§7.1', 'the public key as a secret', (ask) =>
    resigned(header, { alg: 'HS256' }, () => secretOf(scene.attester.key.publicJwk))(ask),
  ),
  invalid(
    '§7.1',
    'the key of another attester',
    resigned(header, { kid: undefined }, () => second[0].key.privateKey),
  ),
  invalid(
    '§7.1',
    'the key of the instance',
    resigned(header, { kid: undefined }, () => scene.instance.privateKey),
  ),
  invalid('8725 §3.10', 'its own key in the header', (ask) =>
    resigned(header, { kid: undefined, jwk: stranger.publicJwk }, () => stranger.privateKey)(ask),
  ),
  invalid('§4', 'the type of any JWT', says({}, 'JWT')),
  invalid('§4', 'the type in capitals', says({}, 'OAUTH-CLIENT-ATTESTATION+JWT')),
  invalid('§4', 'the type of its proof', says({}, 'oauth-client-attestation-pop+jwt')),
  invalid('§4', 'the type of a client assertion', says({}, 'client-authentication+jwt')),
  invalid('§4', 'no type', resigned(header, { typ: undefined }, attesterKey)),
  invalid('§7.1', 'twice', ({ headers }) => headers.append(header, headers.get(header) ?? '')),
  invalid('§4', 'its proof in its place', ({ headers }) => headers.set(header, headers.get(popHeader) ?? '')),
];

/** Who vouches, and for whom. */
const partyRows = (): Row[] => [
  invalid('attester', 'no iss', says({ iss: undefined })),
  invalid('attester', 'an issuer that nobody trusts', says({ iss: 'https://nobody.example' })),
  invalid('attester', 'its issuer with a slash', says({ iss: 'https://attester.example/' })),
  invalid('attester', 'this tenant itself', (ask) => says({ iss: scene.home.issuer })(ask)),
  invalid('attester', 'one whom this client does not name', (ask) => by(() => [second[0], scene.machine])(ask)),
  invalid('attester', 'one who is trusted for other things', (ask) => by(() => provider)(ask)),
  invalid('attester', 'one who is trusted for other clients', (ask) => by(() => reserved)(ask)),
  invalid('attester', 'one who is suspended', (ask) => by(() => suspended)(ask)),
  invalid('attester', 'one who was removed', (ask) => by(() => removed)(ask)),
  invalid('law 5', 'one whom another tenant trusts', (ask) => by(() => foreign)(ask)),
  invalid('law 5', 'a client of the other tenant', (ask) => by(() => [scene.attester, atOther])(ask)),
  invalid('§4', 'no sub', says({ sub: undefined })),
  invalid('§4', 'a list as its sub', (ask) => says({ sub: [scene.machine.id] })(ask)),
  invalid('§4', 'a client that is not there', says({ sub: nobody })),
  invalid('6749 §2.3', 'a client that has keys of its own', (ask) => by(() => [scene.attester, keyed])(ask)),
  invalid('6749 §2.3', 'a client that has a secret', (ask) => by(() => [scene.attester, withSecret])(ask)),
  invalid('6749 §2.3', 'a public client', (ask) => by(() => [scene.attester, publicApp])(ask)),
  invalid('§7.5', 'another client_id beside it', ({ form }) => form.set('client_id', withSecret.id)),
  invalid('§7.5', 'the client_id in capitals', ({ form }) => form.set('client_id', scene.machine.id.toUpperCase())),
  invalid(
    '7519 §4',
    'another sub behind the right one',
    twice(header, attesterKey, () => ({ sub: withSecret.id })),
  ),
];

/** When it was said, and of which key. */
const contentRows = (shortKey: JWK, privateJwk: JWK): Row[] => {
  const names = (cnf: () => unknown) => says(() => ({ cnf: cnf() }));
  const now = nowSeconds();
  return [
    invalid('§4', 'no exp', says({ exp: undefined })),
    invalid('§4', 'a text as its exp', says({ exp: `${now + 60}` })),
    stale('§7.4', 'an exp of a minute ago', says({ iat: now - 120, exp: now - 60 })),
    stale('§7.1', 'older than its attester is trusted for', says({ iat: now - 7_200, exp: now + 60 })),
    stale('§7.1', 'no iat, and an exp far ahead', says({ iat: undefined, exp: now + 7_200 })),
    invalid('§7.4', 'too old, and by another key', async (ask) => {
      await says({ iat: now - 120, exp: now - 60 })(ask);
      await resigned(header, { kid: undefined }, () => stranger.privateKey)(ask);
    }),
    invalid('§4', 'an iat ahead', says({ iat: now + 600, exp: now + 700 })),
    invalid('7519 §4.1.5', 'an nbf ahead', says({ nbf: now + 600 })),
    invalid('§4', 'no cnf', says({ cnf: undefined })),
    invalid(
      '§4',
      'a thumbprint as its cnf',
      names(() => ({ jkt: scene.instance.jkt })),
    ),
    invalid(
      '7800 §3.1',
      'two keys in its cnf',
      names(() => ({ jwk: scene.instance.publicJwk, jku: 'https://attester.example/jwks' })),
    ),
    invalid('§7.1', 'a private key', says({ cnf: { jwk: privateJwk } })),
    invalid('§7.1', 'a symmetric key', says({ cnf: { jwk: { kty: 'oct', k: 'AAAA' } } })),
    invalid('§7.1', 'a key of 1024 bits', says({ cnf: { jwk: shortKey } })),
    invalid(
      '7518 §6.2',
      'a point off the curve',
      names(() => ({ jwk: { ...scene.instance.publicJwk, y: scene.instance.publicJwk.x } })),
    ),
    invalid(
      '§7.2',
      'the key of another instance',
      names(() => ({ jwk: stranger.publicJwk })),
    ),
    invalid(
      '7519 §4',
      'another cnf behind the right one',
      twice(header, attesterKey, () => ({ cnf: { jwk: stranger.publicJwk } })),
    ),
  ];
};

test('each MUST of an attestation, broken once, is refused with its own code, and nothing is used up or leaked', async () => {
  const rsa = await exportJWK((await generateKeyPair('RS256', { extractable: true })).publicKey);
  const shortKey = { ...rsa, n: String(rsa.n).slice(0, 171) };
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  const rows = [...signatureRows(), ...partyRows(), ...contentRows(shortKey, await exportJWK(privateKey))];
  expect(await breakEach(rows, () => asking(scene))).toEqual([]);
  process.stdout.write(`client attestation: ${rows.length} rows\n`);
});

test('one wording answers whatever does not count, whoever is known or trusted', async () => {
  const bends = [
    says({ iss: 'https://nobody.example' }),
    says({ sub: nobody }),
    by(() => suspended),
    by(() => foreign),
    by(() => [scene.attester, keyed] as const),
    spelled(header, (text) => `${text.slice(0, -8)}AAAAAAAA`),
    proves(() => ({ aud: scene.other.issuer })),
  ];
  const texts = await Promise.all(
    bends.map(async (bend) => {
      const request = await asking(scene);
      await bend(request);
      return (await send(request)).text;
    }),
  );
  expect(new Set(texts).size).toBe(1);
});

test('a client that is suspended is refused at once, whoever vouches for it', async () => {
  const client = await registerAttested(scene.home, scene.attester);
  const asks = async () => {
    const form = { grant_type: 'client_credentials', resource: ordersApi };
    return send(await attested(ask(scene.home.issuer, '/oauth2/token', form), scene, client.id));
  };
  expect((await asks()).status).toBe(200);
  await scene.home.rpc('clients.v1.ClientService/SuspendClient', { id: client.id, reason: 'looked at' });
  expect(await asks()).toMatchObject({ status: 401, body: { error: 'invalid_client' } });
});

test('an instance of a tenant that has put it out of force is nobody, until it is put in force again', async () => {
  const request = await asking(scene);
  await setClientAttestation(scene.home, false);
  expect(await send(request)).toMatchObject({ status: 401, body: { error: 'invalid_client' } });
  await setClientAttestation(scene.home, true);
  expect((await send(request)).status).toBe(200);
});
