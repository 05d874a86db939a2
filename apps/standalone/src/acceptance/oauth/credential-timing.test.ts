import { base64url, hex } from '@mono-auth/core/encoding';
import { newId } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import { signJwt } from '@mono-auth/keys';
import { openTestDatabase, testKek } from '@mono-auth/testing';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { enrolPlainly, redemptionOf } from '../enrol-plainly.ts';
import { makeKey } from '../plain-client.ts';
import {
  type AttestationScene,
  attest,
  attested,
  registerAttested,
  setClientAttestation,
  vouches,
} from './attestation-scene.ts';
import { playIssuer } from './federation-scene.ts';
import { openTenantKeys } from './json-spellings/tenant-keys.ts';
import { type Ask, ask, basic, send } from './negative/ask.ts';
import {
  assertionType,
  authenticated,
  deviceGrant,
  type Lab,
  openLab,
  redemption,
  refreshing,
} from './negative/lab.ts';
import { ordersApi, type RegisteredClient, redirectUri } from './oauth-scene.ts';

/** Of each kind, in turns, so that whatever else the machine does is in both. */
const samples = 60;
/** One look into the database more was a third of the time, where there was one; a signature check is far below. */
const ratioMax = 1.25;
/** What differs differs every time; what the machine did besides is gone in the next round. */
const roundsMax = 6;

let lab: Lab;
let vouched: Pick<AttestationScene, 'attester' | 'machine' | 'instance'>;
/** Good ones, which none of the requests here uses up, and invites that are over. */
let known: Readonly<Record<'refreshToken' | 'deviceCode' | 'usedInvite' | 'revokedInvite', string>>;
/** Good for a minute, so each is made when the first request wants it. */
const rivalsCode = once(() => codeOf(lab.rival));
const ownCode = once(() => codeOf(lab.app));
/** An invite by the tenant's own key that no database ever knew. */
let strayInvite: () => Promise<string>;

beforeAll(async () => {
  const db = await openTestDatabase();
  lab = await openLab(db, testKek);
  const { scene, rival } = lab;
  const starting = authenticated(ask(scene.issuer, '/oauth2/device_authorization', { scope: 'openid' }), rival);
  const [usedInvite, revokedInvite] = [await invite('fra-1'), await invite('fra-2')];
  await enrolPlainly(scene.issuer, usedInvite);
  await scene.rpc('machines.v1.MachineService/RevokeInvite', { id: decodeJwt(revokedInvite).jti ?? '' });
  known = {
    deviceCode: String((await send(starting)).body.device_code),
    refreshToken: String((await refreshing(lab, rival)).form.get('refresh_token')),
    ...{ usedInvite, revokedInvite },
  };
  await setClientAttestation(scene, true);
  const attester = await playIssuer(scene, 'attester', vouches);
  vouched = { attester, machine: await registerAttested(scene, attester), instance: await makeKey() };
  const { keys, tenantId } = await openTenantKeys(db, scene, testKek);
  const signer = await keys.signer(tenantId, 'invite');
  strayInvite = () =>
    signJwt(signer, 'mono-invite+jwt', { ...decodeJwt(usedInvite), jti: newId(systemRuntime, 'inv') });
});
afterAll(() => lab?.scene.close());

const machineGrant = () => ask(lab.scene.issuer, '/oauth2/token', { grant_type: 'client_credentials' });
const nobody = () => newId(systemRuntime, 'cli');

function bySecret(id: string, secret: string): Ask {
  const request = machineGrant();
  request.headers.set('authorization', basic(id, secret));
  return request;
}

async function byAssertion(id: string): Promise<Ask> {
  const { sign } = await makeKey();
  const client_assertion = await sign('client-authentication+jwt', { iss: id, sub: id, aud: lab.scene.issuer });
  const form = { grant_type: 'client_credentials', client_assertion_type: assertionType, client_assertion };
  return ask(lab.scene.issuer, '/oauth2/token', form);
}

/** By an instance for which somebody else vouches in the name of the attester: the forged key is not its own. */
async function byAttestation(id: string): Promise<Ask> {
  const form = { grant_type: 'client_credentials', resource: ordersApi };
  const request = await attested(ask(lab.scene.issuer, '/oauth2/token', form), vouched, id);
  const forged = await attest({ ...vouched.attester, key: await makeKey() }, id, vouched.instance);
  request.headers.set('oauth-client-attestation', forged);
  return request;
}

const refreshingBy = (token: string) =>
  authenticated(ask(lab.scene.issuer, '/oauth2/token', { grant_type: 'refresh_token', refresh_token: token }), lab.app);

async function invite(hostName: string): Promise<string> {
  const asked = { hostName, scopes: ['orders:read'] };
  return String((await lab.scene.rpc('machines.v1.MachineService/CreateInvite', asked)).token);
}

const codeOf = async (client: RegisteredClient) => String((await redemption(lab, client)).form.get('code'));

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
}

const redeeming = (code: string) =>
  authenticated(
    ask(lab.scene.issuer, '/oauth2/token', {
      grant_type: 'authorization_code',
      code,
      redirect_uri: redirectUri,
      code_verifier: 'v'.repeat(43),
    }),
    lab.app,
  );

const polling = (code: string) =>
  authenticated(ask(lab.scene.issuer, '/oauth2/token', { grant_type: deviceGrant, device_code: code }), lab.app);

/** Everything about the request is right but the invite: a proof of a key over a challenge for it. */
async function enrolling(token: string): Promise<Ask> {
  const request = ask(lab.scene.issuer, '/rpc/monoauth.machines.v1.MachineService/RedeemInvite', {});
  request.headers.set('content-type', 'application/json');
  request.body = JSON.stringify(await redemptionOf(lab.scene.issuer, token, await makeKey()));
  return request;
}

/** Spelled as ours are, and never one of them. */
const unknownText = () => base64url(systemRuntime.randomBytes(32));
const unknownCode = () => hex(systemRuntime.randomBytes(16));

async function timed(request: Ask): Promise<{ ms: number; said: string }> {
  const startedAtMs = systemRuntime.monotonicMs();
  const { status, text } = await send(request);
  return { ms: systemRuntime.monotonicMs() - startedAtMs, said: `${status} ${text}` };
}

const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] as number;

test.each<readonly [string, MakeAsk, MakeAsk]>([
  [
    'a secret',
    () => bySecret(nobody(), lab.machine.secret),
    () => bySecret(lab.machine.id, `${lab.machine.secret.slice(0, -4)}AAAA`),
  ],
  ['an assertion', () => byAssertion(nobody()), () => byAssertion(lab.keyed.id)],
  ['an attestation', () => byAttestation(nobody()), () => byAttestation(vouched.machine.id)],
  ['a method', () => bySecret(nobody(), 'x'.repeat(43)), () => bySecret(lab.keyed.id, 'x'.repeat(43))],
  ['a refresh token', () => refreshingBy('x'.repeat(43)), () => refreshingBy(lab.app.secret)],
  [
    'a refresh token of another client',
    () => refreshingBy(`mono_rt_${unknownText()}`),
    () => refreshingBy(known.refreshToken),
  ],
  ['a code of another client', () => redeeming(unknownCode()), async () => redeeming(await rivalsCode())],
  ['a code, for its verifier', () => redeeming(unknownCode()), async () => redeeming(await ownCode())],
  ['a device code of another client', () => polling(`mono_dc_${unknownText()}`), () => polling(known.deviceCode)],
  ['an invite that was used', async () => enrolling(await strayInvite()), () => enrolling(known.usedInvite)],
  ['an invite that was revoked', async () => enrolling(await strayInvite()), () => enrolling(known.revokedInvite)],
])(
  '%s that is unknown and one that is wrong cost the same time and text',
  async (what, unknown, wrong) => {
    const ratios: number[] = [];
    do {
      const [unknownMs, wrongMs] = await measure(unknown, wrong);
      ratios.push(Math.max(wrongMs / unknownMs, unknownMs / wrongMs));
      const figures = `unknown ${unknownMs.toFixed(2)} ms, wrong ${wrongMs.toFixed(2)} ms`;
      process.stdout.write(`${what}: ${figures} (median of ${samples})\n`);
    } while (Math.min(...ratios) >= ratioMax && ratios.length < roundsMax);
    expect(Math.min(...ratios)).toBeLessThan(ratioMax);
  },
  60_000,
);

type MakeAsk = () => Ask | Promise<Ask>;

/** @returns the median of each, ms. */
async function measure(unknown: MakeAsk, wrong: MakeAsk): Promise<[unknownMs: number, wrongMs: number]> {
  const [unknownMs, wrongMs]: [number[], number[]] = [[], []];
  for (let i = 0; i < samples; i++) {
    const [first, second] = [await timed(await unknown()), await timed(await wrong())];
    expect(second.said).toBe(first.said);
    unknownMs.push(first.ms);
    wrongMs.push(second.ms);
  }
  return [median(unknownMs), median(wrongMs)];
}
