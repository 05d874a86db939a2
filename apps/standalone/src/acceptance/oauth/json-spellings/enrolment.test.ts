import type { JsonObject } from '@bufbuild/protobuf';
import { systemRuntime } from '@mono-auth/core/runtime';
import { openTestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { enrolPlainly, type PlainHost, redeem } from '../../enrol-plainly.ts';
import { makeKey, type PlainAnswer, PlainClient, type PlainKey, postRpc } from '../../plain-client.ts';
import { type Lab, nowSeconds, openLab } from '../negative/lab.ts';
import {
  type Answer,
  answerOf,
  dateTypes,
  disagreements,
  draftOf,
  headerTypes,
  kidTypes,
  type NamedVerifier,
  type SignBytes,
  type Spelling,
  signDraft,
  signerOf,
  spellingsOf,
} from './spellings.ts';
import { draftOfToken, openTenantKeys } from './tenant-keys.ts';

const service = 'monoauth.machines.v1.MachineService';
/** The kid by which hosts name their key need not be there, but is a text. */
const proofHeader = { ...headerTypes, ...kidTypes };

let lab: Lab;
let signInvite: SignBytes;
let signJoinState: SignBytes;
let hosts = 0;

beforeAll(async () => {
  const db = await openTestDatabase();
  lab = await openLab(db, testKek);
  const { keys, tenantId } = await openTenantKeys(db, lab.scene, testKek);
  [signInvite, signJoinState] = [await keys.signer(tenantId, 'invite'), await keys.signer(tenantId, 'join')].map(
    ({ sign }) => sign,
  ) as [SignBytes, SignBytes];
});
afterAll(() => lab?.scene.close());

async function invite(): Promise<string> {
  const { token } = await lab.scene.rpc('machines.v1.MachineService/CreateInvite', {
    hostName: `host-${++hosts}`,
    scopes: ['orders:read'],
  });
  return String(token);
}

const challenge = (credential: string) => postRpc(lab.scene.issuer, `${service}/Challenge`, { credential });

async function proofOf(
  { privateKey, jkt }: PlainKey,
  claims: JsonObject,
  bend: Spelling['bend'] = (draft) => draft,
): Promise<string> {
  const now = nowSeconds();
  const dates = { iat: now, nbf: now, exp: now + 60 };
  const right = { aud: lab.scene.issuer, ...dates, jti: systemRuntime.uuid(), ...claims };
  return signDraft(bend(draftOf({ alg: 'ES256', kid: jkt, typ: 'mono-proof+jwt' }, right)), signerOf(privateKey));
}

/**
 * Presents a credential with a right proof over a right challenge, where one could be had: the call that the credential is
 * for has to say of it what the challenge said.
 */
async function present(
  credential: string,
  call: (nonce: string) => Promise<PlainAnswer>,
): Promise<{ answer: Answer; body: JsonObject }> {
  const challenged = await challenge(credential);
  const { status, body } = await call(String(challenged.body.nonce ?? 'none'));
  if (challenged.status !== 200) expect({ status, body }).toEqual(challenged);
  // Who names no tenant of ours is answered as if nothing were there (law 5).
  return { answer: answerOf([401, 404], { status, body }), body };
}

const invites: NamedVerifier = {
  name: 'RedeemInvite',
  async ask(bend) {
    const key = await makeKey();
    const credential = await signDraft(bend(draftOfToken(await invite(), { nbf: nowSeconds() })), signInvite);
    const redemption = { invite: credential, publicJwk: key.publicJwk as JsonObject };
    const call = async (nonce: string) =>
      redeem(lab.scene.issuer, { ...redemption, proof: await proofOf(key, { nonce }) });
    return (await present(credential, call)).answer;
  },
};

test('an invite in whatever spelling gets one answer from the challenge and the redemption', async () => {
  const spellings = spellingsOf({
    header: proofHeader,
    payload: {
      iss: ['""', '[@]', '7', 'null'],
      aud: ['""', '7', '{}', '[]', 'null'],
      tenant_id: ['""', '[@]', '7', 'null'],
      purpose: ['""', '[@]', '7', 'null'],
      jti: ['""', '[@]', '7', 'null'],
      exp: dateTypes,
      nbf: dateTypes,
      iat: dateTypes,
    },
  });
  expect(await disagreements(spellings, [invites])).toEqual([]);
}, 60_000);

/** Renews with the join state that `bend` makes of the host's, and keeps the new one. */
async function renew(host: { at: PlainHost }, bend: Spelling['bend']): Promise<Answer> {
  const { client, joinState } = host.at;
  const credential = await signDraft(bend(draftOfToken(joinState, { nbf: nowSeconds() })), signJoinState);
  const requestId = systemRuntime.uuid();
  const { publicJwk, jkt } = client.key;
  const renewal = { joinState: credential, requestId, nextPublicJwk: publicJwk as JsonObject, nextProof: '' };
  const { answer, body } = await present(credential, async (nonce) => {
    const proof = await proofOf(client.key, { nonce, request_id: requestId, next_jkt: jkt });
    return postRpc(lab.scene.issuer, `${service}/RenewHost`, { ...renewal, proof });
  });
  if (answer === 'taken') host.at = { ...host.at, joinState: String(body.joinState) };
  return answer;
}

test('a join state in whatever spelling gets one answer from the challenge and the renewal', async () => {
  const host = { at: await enrolPlainly(lab.scene.issuer, await invite()) };
  const spellings = spellingsOf({
    header: proofHeader,
    payload: {
      iss: ['""', '[@]', '7', 'null'],
      aud: ['""', '7', '{}', '[]', 'null'],
      tenant_id: ['""', '[@]', '7', 'null'],
      sub: ['""', '[@]', '7', 'null'],
      generation: ['"@"', '[@]', 'null', '{}', '1e400', '0.5'],
      incarnation: ['"@"', '[@]', 'null', '{}', '1e400', '0.5'],
      cnf: ['7', 'null', '[@]', '"x"', '{}', '{"jwk":7}', '{"jwk":null}', '{"jwk":[]}'],
      nbf: dateTypes,
      iat: dateTypes,
    },
  });
  expect(await disagreements(spellings, [{ name: 'RenewHost', ask: (bend) => renew(host, bend) }])).toEqual([]);
}, 60_000);

const proofClaims = {
  aud: ['""', '[@]', '7', 'null'],
  nonce: ['""', '[@]', '7', 'null'],
  jti: ['""', '[@]', '7', 'null'],
  iat: dateTypes,
  nbf: dateTypes,
  exp: ['1', ...dateTypes],
};

/** Enrols a host whose key is proven by a proof in another spelling. */
async function enrolBy(bend: Spelling['bend']): Promise<Answer> {
  const [token, key] = [await invite(), await makeKey()];
  const { body } = await challenge(token);
  const proof = await proofOf(key, { nonce: String(body.nonce) }, bend);
  return answerOf(
    [401],
    await redeem(lab.scene.issuer, { invite: token, publicJwk: key.publicJwk as JsonObject, proof }),
  );
}

/** Renews a host with a new key, one of the two proofs in another spelling. */
async function renewBy(
  host: { at: PlainHost },
  bend: { current?: Spelling['bend']; next?: Spelling['bend'] },
): Promise<Answer> {
  const { client, joinState } = host.at;
  const nextKey = await makeKey();
  const requestId = systemRuntime.uuid();
  const nonce = String((await challenge(joinState)).body.nonce);
  const claims = { nonce, request_id: requestId, next_jkt: nextKey.jkt };
  const { status, body } = await postRpc(lab.scene.issuer, `${service}/RenewHost`, {
    ...{ joinState, requestId, nextPublicJwk: nextKey.publicJwk as JsonObject },
    proof: await proofOf(client.key, claims, bend.current),
    nextProof: await proofOf(nextKey, { nonce }, bend.next),
  });
  if (status === 200) {
    const renewed = new PlainClient(client.issuer, client.id, nextKey);
    host.at = { ...host.at, client: renewed, joinState: String(body.joinState) };
  }
  return answerOf([401], { status, body });
}

test('a host proof in whatever spelling gets one answer from enrolment and renewal, of either key', async () => {
  const [first, second] = [
    { at: await enrolPlainly(lab.scene.issuer, await invite()) },
    { at: await enrolPlainly(lab.scene.issuer, await invite()) },
  ];
  const atRenewal = { name: 'RenewHost', ask: (bend: Spelling['bend']) => renewBy(first, { current: bend }) };
  const spellings = spellingsOf({ header: proofHeader, payload: proofClaims });
  const verifiers = [
    { name: 'RedeemInvite', ask: enrolBy },
    atRenewal,
    { name: 'RenewHost, of the next key', ask: (bend: Spelling['bend']) => renewBy(second, { next: bend }) },
  ];
  expect(await disagreements(spellings, verifiers)).toEqual([]);
  const ofRequest = spellingsOf({
    header: {},
    payload: { request_id: ['""', '[@]', '7', 'null'], next_jkt: ['""', '[@]', '7', 'null'] },
  });
  expect(await disagreements(ofRequest, [atRenewal])).toEqual([]);
}, 60_000);
