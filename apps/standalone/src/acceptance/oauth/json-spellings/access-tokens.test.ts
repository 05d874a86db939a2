import type { TenantId } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import type { Keyring } from '@mono-auth/keys';
import { verifyJwt } from '@mono-auth/keys';
import { createVerifier, type Verifier } from '@mono-auth/sdk';
import { openTestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { enrolPlainly, type PlainHost } from '../../enrol-plainly.ts';
import { postRpc, tokenOf } from '../../plain-client.ts';
import { ask, send } from '../negative/ask.ts';
import { authenticated, type Lab, nowSeconds, openLab, redemption } from '../negative/lab.ts';
import { ordersApi } from '../oauth-scene.ts';
import {
  type Answer,
  answerOf,
  dateTypes,
  disagreements,
  headerTypes,
  kidTypes,
  type NamedVerifier,
  type Spelling,
  signDraft,
  spellingsOf,
} from './spellings.ts';
import { draftOfToken, openTenantKeys } from './tenant-keys.ts';

let lab: Lab;
let keys: Keyring;
let tenantId: TenantId;
let host: PlainHost;
let verifier: Verifier;
/** Good tokens, each for the verifiers that take it: of a person for the management API, for an API, for exchange; of an agent. */
let good: Readonly<Record<'rpc' | 'orders' | 'subject' | 'actor', string>>;

beforeAll(async () => {
  const db = await openTestDatabase();
  lab = await openLab(db, testKek);
  const { scene, app } = lab;
  ({ keys, tenantId } = await openTenantKeys(db, scene, testKek));
  const { token } = await scene.rpc('machines.v1.MachineService/CreateInvite', {
    ...{ hostName: 'fra-1', scopes: ['orders:read'], audiences: [ordersApi] },
  });
  host = await enrolPlainly(scene.issuer, String(token));
  const { agent } = await scene.rpc('machines.v1.MachineService/CreateAgent', {
    ...{ hostId: host.hostId, name: 'reconciler', scopes: ['orders:read'] },
  });
  const { body } = await send(await redemption(lab, app));
  good = {
    rpc: scene.ownerToken,
    orders: String(body.access_token),
    subject: await scene.owner.token({ audience: scene.issuer, scope: 'orders:read' }),
    actor: tokenOf(await host.client.clientCredentials({ agent: (agent as { id: string }).id })),
  };
  verifier = createVerifier({ issuer: scene.issuer, audience: ordersApi });
});
afterAll(() => lab?.scene.close());

/** What a token may say and these do not, so that every member is there to be bent. */
const optional = () => ({ nbf: nowSeconds(), grants: ['grant'], pjti: ['tok'], did: 'dec' });

async function respell(kind: keyof typeof good, bend: Spelling['bend']): Promise<string> {
  const draft = draftOfToken(good[kind], optional());
  return signDraft(bend(draft), (await keys.signer(tenantId, 'token')).sign);
}

const heard = (attempt: Promise<unknown>): Promise<Answer> =>
  attempt.then<Answer, Answer>(
    () => 'taken',
    (error) => (['not_authenticated', 'denied'].includes(error.reason) ? 'refused' : `500 ${error}`),
  );

async function exchange(tokens: { subject: string; actor: string }): Promise<Answer> {
  return answerOf([400], await host.client.exchange(tokens, { audience: ordersApi }));
}

/** Everybody who is shown access tokens and acts on what they say. */
const readers: readonly NamedVerifier[] = [
  {
    name: 'the management API',
    ask: async (bend) => {
      const method = 'monoauth.tenants.v1.TenantService/GetTenant';
      // A token that does not name this tenant is answered as if nothing were there (law 5).
      return answerOf([401, 404], await postRpc(lab.scene.issuer, method, {}, await respell('rpc', bend)));
    },
  },
  {
    name: 'introspection',
    ask: async (bend) => {
      const request = ask(lab.scene.issuer, '/oauth2/introspect', { token: await respell('orders', bend) });
      const { status, body, text } = await send(authenticated(request, lab.app));
      if (status !== 200) return `${status} ${text}`;
      return body.active === true ? 'taken' : 'refused';
    },
  },
  {
    name: 'userinfo',
    ask: async (bend) => {
      const headers = { authorization: `Bearer ${await respell('orders', bend)}` };
      const answer = await fetch(`${lab.scene.issuer}/oauth2/userinfo`, { headers });
      return answerOf([401, 404], { status: answer.status, body: await answer.text() });
    },
  },
  {
    name: 'exchange, of the subject',
    ask: async (bend) => exchange({ subject: await respell('subject', bend), actor: good.actor }),
  },
  {
    name: 'exchange, of the actor',
    ask: async (bend) => exchange({ subject: good.subject, actor: await respell('actor', bend) }),
  },
  { name: 'the SDK', ask: async (bend) => heard(verifier.verify(await respell('orders', bend))) },
];

/** Looks at everything that makes a JWT ours and current, and leaves the rest to its caller. */
const wrapper: NamedVerifier = {
  name: 'verifyJwt',
  ask: async (bend) => {
    const expected = { typ: 'at+jwt', issuer: lab.scene.issuer, audience: ordersApi, nowMs: systemRuntime.nowMs() };
    return heard(verifyJwt(await respell('orders', bend), await keys.publicKeys(tenantId, 'token'), expected));
  },
};

test('header, issuer, audience and dates of an access token in whatever spelling get one answer everywhere', async () => {
  const spellings = spellingsOf({
    header: { ...headerTypes, ...kidTypes },
    payload: {
      iss: ['""', '[@]', '7', 'null'],
      aud: ['7', '""', '{}', '[]', '[7]', '[[@]]', 'null'],
      exp: ['1', ...dateTypes],
      iat: dateTypes,
      nbf: dateTypes,
    },
  });
  expect(await disagreements(spellings, [...readers, wrapper])).toEqual([]);
}, 60_000);

test('what an access token says of its bearer in whatever spelling gets one answer everywhere', async () => {
  const text = ['7', '""', '[@]', '{}', 'null'];
  const names = ['7', '"x"', '[7]', '[""]', '[[]]', '{}', 'null'];
  const spellings = spellingsOf({
    header: {},
    payload: {
      ...{ aud: ['[@,7]', '[@,""]', '[@,null]'], exp: ['@.5'], iat: ['@.5'] },
      ...{ sub: text, jti: text, client_id: text, tenant_id: text },
      scope: ['7', '[@]', '{}', 'null'],
      ...{ grants: names, pjti: names, did: ['7', '[@]', 'null'] },
      ...{ ep: ['"@"', '-1', '0.5', '1e400', '[@]', 'null'], fs: ['"@"', '-1', '0.5', '1e400', '[@]', 'null'] },
    },
  });
  expect(await disagreements(spellings, readers)).toEqual([]);
}, 60_000);

/** Members that not every kind of token has: added to a right one. */
const extra: Readonly<Record<string, readonly unknown[]>> = {
  act: [7, 'host:x', null, [], {}, { sub: 7 }, { sub: null }, { sub: ['x'] }],
  cnf: [7, 'x', null, [], {}, { jkt: 7 }, { jkt: '' }, { jkt: ['x'] }, { jkt: 'x', 'x5t#S256': 7 }],
  sid: [7, '', null, ['x'], {}],
  tenant_role: [7, '', null, ['owner'], {}],
  use: [7, '', null, ['gateway'], {}],
  may_act: [7, 'x', null, [], {}, { sub: 7 }],
  pv: ['1', null, [1], 0.5],
};

test.each(Object.keys(extra))('%s of another type is refused everywhere, whatever else is right', async (name) => {
  const spellings = (extra[name] ?? []).map((value) => ({
    name: `${name} is ${JSON.stringify(value)}`,
    answer: 'refused' as const,
    bend: ({ header, payload }: Parameters<Spelling['bend']>[0]) => ({
      header,
      payload: [...payload.filter((member) => member[0] !== name), [name, JSON.stringify(value)] as const],
    }),
  }));
  expect(await disagreements(spellings, readers)).toEqual([]);
});
