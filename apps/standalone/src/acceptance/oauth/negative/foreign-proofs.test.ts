import { createHash } from 'node:crypto';
import { systemRuntime } from '@mono-auth/core/runtime';
import { openTestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type OAuthScene, type RegisteredClient, registerMachine } from '../oauth-scene.ts';
import { type Answered, type Ask, ask, send } from './ask.ts';
import { authenticated, type Lab, openLab } from './lab.ts';
import { learnNonce, makeProofKey, type ProofKey } from './proof-key.ts';

/** One end of a proof: a tenant, a client there that binds its tokens to the key, a nonce, and a token of that client. */
interface End {
  readonly scene: OAuthScene;
  readonly machine: RegisteredClient;
  readonly nonce: string;
  readonly token: string;
}

let lab: Lab;
/** One key for both tenants: what tells them apart is what the proofs say. */
let key: ProofKey;
let home: End;
let other: End;

beforeAll(async () => {
  lab = await openLab(await openTestDatabase(), testKek);
  key = await makeProofKey();
  [home, other] = [await openEnd(lab.scene), await openEnd(lab.other)];
});
afterAll(() => lab?.scene.close());

async function openEnd(scene: OAuthScene): Promise<End> {
  const rights = { scopes: ['tenants:read'], audiences: [`${scene.issuer}/rpc`] };
  const machine = await registerMachine(scene, { dpopBoundAccessTokens: true, ...rights });
  const request = authenticated(ask(scene.issuer, '/oauth2/token', { grant_type: 'client_credentials' }), machine);
  const nonce = await learnNonce(request, key);
  request.headers.set('dpop', await key.prove(request, {}, { nonce }));
  const { body, text } = await send(request);
  if (body.token_type !== 'DPoP') throw new Error(`no bound token: ${text}`);
  return { scene, machine, nonce, token: String(body.access_token) };
}

const tokenRequest = ({ scene, machine }: End) =>
  authenticated(ask(scene.issuer, '/oauth2/token', { grant_type: 'client_credentials' }), machine);

function rpcRequest({ scene, token }: End): Ask {
  const request = ask(scene.issuer, '/rpc/monoauth.tenants.v1.TenantService/GetTenant', {});
  request.headers.set('authorization', `DPoP ${token}`);
  request.headers.set('content-type', 'application/json');
  request.body = '{}';
  return request;
}

const faces: readonly (readonly [name: string, request: (end: End) => Ask, status: number])[] = [
  ['the token endpoint', tokenRequest, 400],
  ['the management API', rpcRequest, 401],
];

const ath = (token: string) => createHash('sha256').update(token).digest('base64url');
/** A tenant that is not there, and what it would give: what is unknown everywhere. */
const nowhere = (request: Ask): Ask => ({ ...request, issuer: request.issuer.replace(/[^/]+$/, 'nowhere') });
const nobodysNonce = () => Buffer.from(systemRuntime.randomBytes(54)).toString('base64url');

async function show(request: Ask, dpop: string): Promise<Answered> {
  const shown = { ...request, headers: new Headers(request.headers) };
  shown.headers.set('dpop', dpop);
  return send(shown);
}

/** All that a caller can tell one refusal from another by: the hour and the name of the answer are its own. */
function seen({ status, headers, text }: Answered) {
  const told = [...headers].filter(([name]) => !['date', 'x-request-id', 'dpop-nonce'].includes(name));
  return { status, text, headers: told, hasNonce: headers.has('dpop-nonce') };
}

test.each(faces)(
  'a proof for %s of one tenant is nothing at the other’s, and is good at its own',
  async (_, of, status) => {
    const { nonce, token } = home;
    const right = of(home);
    const proof = await key.prove(right, {}, { nonce, ath: ath(token) });
    const unknown = await key.prove(nowhere(right), {}, { nonce: nobodysNonce(), ath: ath(token) });
    const answer = await show(of(other), proof);
    expect(answer.status).toBe(status);
    expect(answer.text).toContain('invalid_dpop_proof');
    expect(seen(answer)).toEqual(seen(await show(of(other), unknown)));
    expect((await show(right, proof)).status).toBe(200);
    // Used up where it belongs, and still nothing that the other tenant knows of.
    expect((await show(right, proof)).text).toContain('invalid_dpop_proof');
    expect(seen(await show(of(other), proof))).toEqual(seen(answer));
  },
);

test.each(faces)(
  'a nonce of one tenant is nobody’s at %s of the other, and uses no proof up',
  async (_, of, status) => {
    const jti = systemRuntime.uuid();
    const request = of(other);
    const claims = { jti, ath: ath(other.token) };
    const answer = await show(request, await key.prove(request, {}, { ...claims, nonce: home.nonce }));
    expect(answer.status).toBe(status);
    expect(answer.text).toContain('use_dpop_nonce');
    const unknown = await key.prove(request, {}, { ...claims, nonce: nobodysNonce() });
    expect(seen(answer)).toEqual(seen(await show(request, unknown)));
    // The same proof by its key and jti, at both tenants: each has a use of its own.
    for (const end of [other, home]) {
      const own = await key.prove(of(end), {}, { jti, nonce: end.nonce, ath: ath(end.token) });
      expect((await show(of(end), own)).status).toBe(200);
    }
  },
);

test('a token of one tenant with its proof is unknown to the other’s API, and both are good at their own', async () => {
  const right = rpcRequest(home);
  const astray = { ...right, issuer: other.scene.issuer };
  const claims = { nonce: home.nonce, ath: ath(home.token) };
  const proof = await key.prove(right, {}, claims);
  const answer = await show(astray, proof);
  expect(answer.status).toBe(404);
  const [header, payload, signature] = home.token.split('.') as [string, string, string];
  const said = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object;
  const unknown = { ...said, tenant_id: 'ten_01arz3ndektsv4rrffq69g5fav', iss: nowhere(right).issuer };
  astray.headers.set(
    'authorization',
    `DPoP ${header}.${Buffer.from(JSON.stringify(unknown)).toString('base64url')}.${signature}`,
  );
  expect(seen(answer)).toEqual(seen(await show(astray, await key.prove(nowhere(right), {}, claims))));
  expect((await show(rpcRequest(home), proof)).status).toBe(200);
});
