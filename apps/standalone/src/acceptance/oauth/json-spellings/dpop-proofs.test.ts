import { createHash } from 'node:crypto';
import { systemRuntime } from '@mono-auth/core/runtime';
import { createVerifier } from '@mono-auth/sdk';
import { openTestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ask, send } from '../negative/ask.ts';
import { authenticated, type Lab, nowSeconds, openLab } from '../negative/lab.ts';
import { learnNonce, makeProofKey, type ProofKey } from '../negative/proof-key.ts';
import { ordersApi, type RegisteredClient, registerMachine } from '../oauth-scene.ts';
import {
  type Answer,
  answerOf,
  dateTypes,
  disagreements,
  draftOf,
  headerTypes,
  type NamedVerifier,
  type Spelling,
  signDraft,
  signerOf,
  spellingsOf,
} from './spellings.ts';

let lab: Lab;
let machine: RegisteredClient;
let key: ProofKey;
let nonce: string;
/** Bound to the key: for the management API, and for an API that verifies by the SDK. */
let forRpc: string;
let forOrders: string;

const grant = (form: Record<string, string> = {}) =>
  authenticated(ask(lab.scene.issuer, '/oauth2/token', { grant_type: 'client_credentials', ...form }), machine);
const getTenant = 'monoauth.tenants.v1.TenantService/GetTenant';

beforeAll(async () => {
  lab = await openLab(await openTestDatabase(), testKek);
  machine = await registerMachine(lab.scene, {
    dpopBoundAccessTokens: true,
    scopes: ['orders:read', 'tenants:read'],
    audiences: [ordersApi, `${lab.scene.issuer}/rpc`],
  });
  key = await makeProofKey();
  nonce = await learnNonce(grant(), key);
  forRpc = await boundToken(`${lab.scene.issuer}/rpc`, 'tenants:read');
  forOrders = await boundToken(ordersApi, 'orders:read');
});
afterAll(() => lab?.scene.close());

async function boundToken(resource: string, scope: string): Promise<string> {
  const request = grant({ resource, scope });
  request.headers.set('dpop', await key.prove(request, {}, { nonce }));
  const { body, text } = await send(request);
  if (typeof body.access_token !== 'string') throw new Error(`no token: ${text}`);
  return body.access_token;
}

/** A proof of a POST to `htu`, with `token` where that is a resource, in another spelling. */
function proofOf(bend: Spelling['bend'], htu: string, token = ''): Promise<string> {
  const now = nowSeconds();
  const ath = createHash('sha256').update(token).digest('base64url');
  const dates = { iat: now, nbf: now, exp: now + 60 };
  const claims = { htm: 'POST', htu, nonce, jti: systemRuntime.uuid(), ...dates, ath };
  return signDraft(bend(draftOf({ alg: 'ES256', typ: 'dpop+jwt', jwk: key.jwk }, claims)), signerOf(key.privateKey));
}

const resources: readonly NamedVerifier[] = [
  {
    name: 'the management API',
    async ask(bend) {
      const url = `${lab.scene.issuer}/rpc/${getTenant}`;
      const headers = { 'content-type': 'application/json', authorization: `DPoP ${forRpc}` };
      const dpop = await proofOf(bend, url, forRpc);
      const answer = await fetch(url, { method: 'POST', headers: { ...headers, dpop }, body: '{}' });
      return answerOf([401], { status: answer.status, body: await answer.json() });
    },
  },
  {
    name: 'the SDK',
    async ask(bend) {
      const verifier = createVerifier({ issuer: lab.scene.issuer, audience: ordersApi });
      const url = `${ordersApi}/orders`;
      const request = new Request(url, { method: 'POST', headers: { dpop: await proofOf(bend, url, forOrders) } });
      const claims = await verifier.verify(forOrders);
      const possession = verifier.verifyPossession(request, 'dpop', forOrders, claims);
      return possession.then<Answer, Answer>(
        () => 'taken',
        (error) => (error.reason === 'not_authenticated' ? 'refused' : `500 ${error}`),
      );
    },
  },
];

const verifiers: readonly NamedVerifier[] = [
  {
    name: 'the token endpoint',
    async ask(bend) {
      const request = grant();
      request.headers.set('dpop', await proofOf(bend, `${request.issuer}${request.path}`));
      const answer = await send(request);
      if (answer.status === 400) expect(answer.body.error).toBe('invalid_dpop_proof');
      return answerOf([400], answer);
    },
  },
  ...resources,
];

const spellings = spellingsOf({
  header: { ...headerTypes, jwk: ['7', 'null', '"x"', '[@]', '{}'] },
  payload: {
    htm: ['"GET"', '[@]', '7', 'null'],
    htu: ['""', '[@]', '{}', 'null'],
    nonce: ['7', '[@]', '{}', 'null'],
    jti: ['""', '7', '[@]', 'null'],
    iat: dateTypes,
    nbf: dateTypes,
    exp: ['1', ...dateTypes],
  },
});
const atResources = spellingsOf({ header: {}, payload: { ath: ['""', '7', '[@]', 'null'] } });

test('a DPoP proof in whatever spelling gets one answer from the token endpoint, the API and the SDK', async () => {
  expect(await disagreements(spellings, verifiers)).toEqual([]);
  expect(await disagreements(atResources, resources)).toEqual([]);
}, 60_000);
