import { openTestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Answered, type Ask, ask, send } from './negative/ask.ts';
import { asserting, authenticated, type Lab, openLab, redemption, refreshing } from './negative/lab.ts';
import { learnNonce, makeProofKey } from './negative/proof-key.ts';
import { registerMachine } from './oauth-scene.ts';

let lab: Lab;
const parallel = 50;
const rounds = 10;

beforeAll(async () => {
  lab = await openLab(await openTestDatabase(), testKek);
});
afterAll(() => lab?.scene.close());

/** Sends the same request fifty times at once. @returns the one answer that was granted. */
async function race(request: Ask, losing: string): Promise<Answered> {
  const answers = await Promise.all(Array.from({ length: parallel }, () => send(request)));
  const won = answers.filter(({ status }) => status === 200);
  const lost = answers.filter(({ status }) => status !== 200);
  expect(won).toHaveLength(1);
  expect(new Set(lost.map(({ body }) => body.error))).toEqual(new Set([losing]));
  return won[0] as Answered;
}

const refreshOf = (won: Answered) =>
  authenticated(
    ask(lab.scene.issuer, '/oauth2/token', {
      grant_type: 'refresh_token',
      refresh_token: String(won.body.refresh_token),
    }),
    lab.app,
  );

async function expectDead(won: Answered): Promise<void> {
  expect((await send(refreshOf(won))).body).toMatchObject({ error: 'invalid_grant' });
  const introspection = ask(lab.scene.issuer, '/oauth2/introspect', { token: String(won.body.access_token) });
  expect((await send(authenticated(introspection, lab.app))).body).toEqual({ active: false });
}

describe.each(Array.from({ length: rounds }, (_, at) => at + 1))(`round %i of ${parallel} at once`, () => {
  test('one redemption of a code wins, and the others end its family', async () => {
    await expectDead(await race(await redemption(lab, lab.app), 'invalid_grant'));
  });

  test('one use of a refresh token wins, and the others end its family', async () => {
    await expectDead(await race(await refreshing(lab, lab.app), 'invalid_grant'));
  });

  test('one use of a client assertion wins', async () => {
    await race(await asserting(lab, lab.keyed), 'invalid_client');
  });
});

test('one use of a DPoP proof wins, ten rounds', async () => {
  const machine = await registerMachine(lab.scene, { dpopBoundAccessTokens: true });
  const plain = () =>
    authenticated(ask(lab.scene.issuer, '/oauth2/token', { grant_type: 'client_credentials' }), machine);
  const key = await makeProofKey();
  const nonce = await learnNonce(plain(), key);
  for (let round = 0; round < rounds; round++) {
    const request = plain();
    request.headers.set('dpop', await key.prove(request, {}, { nonce }));
    await race(request, 'invalid_dpop_proof');
  }
});
