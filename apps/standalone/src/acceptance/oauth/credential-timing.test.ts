import { newId } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import { openTestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeKey } from '../plain-client.ts';
import { type Ask, ask, basic, send } from './negative/ask.ts';
import { assertionType, authenticated, type Lab, openLab } from './negative/lab.ts';

/** Of each kind, in turns, so that whatever else the machine does is in both. */
const samples = 60;
/** A hash or a look into the database more would double the time; a signature check is far below. */
const ratioMax = 1.6;

let lab: Lab;
beforeAll(async () => {
  lab = await openLab(await openTestDatabase(), testKek);
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

const refreshing = (token: string) =>
  authenticated(ask(lab.scene.issuer, '/oauth2/token', { grant_type: 'refresh_token', refresh_token: token }), lab.app);

async function timed(request: Ask): Promise<{ ms: number; said: string }> {
  const startedAtMs = systemRuntime.monotonicMs();
  const { status, text } = await send(request);
  return { ms: systemRuntime.monotonicMs() - startedAtMs, said: `${status} ${text}` };
}

const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] as number;

test.each<readonly [string, () => Ask | Promise<Ask>, () => Ask | Promise<Ask>]>([
  [
    'a secret',
    () => bySecret(nobody(), lab.machine.secret),
    () => bySecret(lab.machine.id, `${lab.machine.secret.slice(0, -4)}AAAA`),
  ],
  ['an assertion', () => byAssertion(nobody()), () => byAssertion(lab.keyed.id)],
  ['a method', () => bySecret(nobody(), 'x'.repeat(43)), () => bySecret(lab.keyed.id, 'x'.repeat(43))],
  ['a refresh token', () => refreshing('x'.repeat(43)), () => refreshing(lab.app.secret)],
])('%s that is unknown and one that is wrong cost the same time and text', async (what, unknown, wrong) => {
  const [unknownMs, wrongMs]: [number[], number[]] = [[], []];
  for (let i = 0; i < samples; i++) {
    const [first, second] = [await timed(await unknown()), await timed(await wrong())];
    expect(second.said).toBe(first.said);
    unknownMs.push(first.ms);
    wrongMs.push(second.ms);
  }
  const ratio = median(wrongMs) / median(unknownMs);
  process.stdout.write(
    `${what}: unknown ${median(unknownMs).toFixed(2)} ms, wrong ${median(wrongMs).toFixed(2)} ms (median of ${samples})\n`,
  );
  expect(Math.max(ratio, 1 / ratio)).toBeLessThan(ratioMax);
});
