import { needRedis, openTestDatabase, startTestRedis, type TestRedis, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeKey } from '../plain-client.ts';
import {
  type AttestationScene,
  attested,
  registerAttested,
  setClientAttestation,
  vouches,
} from './attestation-scene.ts';
import { playIssuer } from './federation-scene.ts';
import { type Ask, ask, send } from './negative/ask.ts';
import { asserting, authenticated, type Lab, openLab, redemption, refreshing } from './negative/lab.ts';
import { learnNonce, makeProofKey } from './negative/proof-key.ts';
import { type OAuthScene, ordersApi, registerMachine } from './oauth-scene.ts';

let redis: TestRedis | undefined;
let lab: Lab | undefined;

beforeAll(async () => {
  redis = await startTestRedis();
  if (redis) lab = await openLab(await openTestDatabase(), testKek, redis.url);
});
afterAll(async () => {
  await lab?.scene.close();
  await redis?.close();
});

/** What happens to Redis between the first presentation and the second. */
const losses: readonly (readonly [string, (redis: TestRedis) => Promise<unknown>])[] = [
  ['is emptied', (at) => at.command('flushall')],
  ['evicts what it holds', evict],
  ['is killed and comes back empty', (at) => at.kill().then(() => at.start())],
  ['is killed and stays away', (at) => at.kill()],
  ['has come back', (at) => at.start()],
];

/** As an operator may set it while we run: a start with such a policy is refused. */
async function evict(redis: TestRedis): Promise<void> {
  await redis.command('config', 'set', 'maxmemory-policy', 'allkeys-lru');
  await redis.command('config', 'set', 'maxmemory', '1');
  // It evicts before a command, and while it is full nobody can write.
  await redis.command('get', 'x');
  expect(await redis.command('dbsize')).toBe('0');
  await redis.command('config', 'set', 'maxmemory', '0');
  await redis.command('config', 'set', 'maxmemory-policy', 'noeviction');
}

/** A credential of each kind, each in a request that is right once. */
const credentials: readonly (readonly [string, (lab: Lab) => Promise<Ask>])[] = [
  ['a code', (at) => redemption(at, at.app)],
  ['a refresh token', (at) => refreshing(at, at.app)],
  ['a client assertion', (at) => asserting(at, at.keyed)],
  ['a DPoP proof', provenRequest],
  ['the proof of an instance', vouchedRequest],
];

async function vouchedRequest({ scene }: Lab): Promise<Ask> {
  vouched ??= await openVouched(scene);
  const request = ask(scene.issuer, '/oauth2/token', { grant_type: 'client_credentials', resource: ordersApi });
  return attested(request, vouched, vouched.machine.id);
}

let vouched: Pick<AttestationScene, 'attester' | 'machine' | 'instance'> | undefined;
async function openVouched(scene: OAuthScene): Promise<NonNullable<typeof vouched>> {
  await setClientAttestation(scene, true);
  const attester = await playIssuer(scene, 'attester', vouches);
  return { attester, machine: await registerAttested(scene, attester), instance: await makeKey() };
}

async function provenRequest({ scene }: Lab): Promise<Ask> {
  const machine = await registerMachine(scene, { dpopBoundAccessTokens: true });
  const request = authenticated(ask(scene.issuer, '/oauth2/token', { grant_type: 'client_credentials' }), machine);
  const key = await makeProofKey();
  const nonce = await learnNonce(request, key);
  request.headers.set('dpop', await key.prove(request, {}, { nonce }));
  return request;
}

/**
 * Presents the credential, which is taken. A store that comes back from the loss before is another one, where no nonce of
 * the last is good: as RFC 9449 §8 has it, a proof is then made anew.
 */
async function takenOnce(lab: Lab, right: (lab: Lab) => Promise<Ask>): Promise<Ask> {
  for (let attempt = 1; ; attempt++) {
    const request = await right(lab);
    const { status, body, text } = await send(request);
    if (status === 200) return request;
    const another = body.error === 'use_dpop_nonce' || body.error === 'use_attestation_challenge';
    if (!another || attempt === 3) throw new Error(`${status} ${text}`);
  }
}

test.for(losses)(
  'what was used once is refused when Redis %s before it is shown again',
  async ([_loss, lose], context) => {
    const store = needRedis(context, redis);
    const at = lab as Lab;
    const shown = await Promise.all(
      credentials.map(async ([name, right]) => [name, await takenOnce(at, right)] as const),
    );
    await lose(store);
    for (const [name, request] of [...shown, ...shown]) {
      const { status, body, text } = await send(request);
      expect([400, 401], `${name}: ${text}`).toContain(status);
      expect(body).not.toHaveProperty('access_token');
    }
  },
);
