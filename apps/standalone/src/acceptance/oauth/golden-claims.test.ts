import { systemRuntime } from '@mono-auth/core/runtime';
import { openTestDatabase, testKek } from '@mono-auth/testing';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { enrolPlainly } from '../enrol-plainly.ts';
import { tokenOf } from '../plain-client.ts';
import { receiveLogout } from './logout-receiver.ts';
import { ask, send } from './negative/ask.ts';
import { authenticated, type Lab, machineToken, openLab, redemption, refreshing } from './negative/lab.ts';
import { ordersApi } from './oauth-scene.ts';

let lab: Lab;
let signed: Readonly<Record<string, string>>;

beforeAll(async () => {
  lab = await openLab(await openTestDatabase(), testKek);
  const { scene, app } = lab;
  const { issuer, owner } = scene;
  const { body: first } = await send(await redemption(lab, app, { nonce: 'n-1' }));
  const { body: refreshed } = await send(await refreshing(lab, app));
  const invite = await scene.rpc('machines.v1.MachineService/CreateInvite', {
    ...{ hostName: 'fra-1', scopes: ['orders:read'], audiences: [ordersApi] },
  });
  const host = await enrolPlainly(issuer, String(invite.token));
  const made = await scene.rpc('machines.v1.MachineService/CreateAgent', {
    ...{ hostId: host.hostId, name: 'reconciler', scopes: ['orders:read'] },
  });
  const agentId = (made.agent as { id: string }).id;
  const agent = tokenOf(await host.client.clientCredentials({ agent: agentId }));
  const forExchange = { audience: issuer, scope: 'orders:read' };
  const subject = await owner.token(forExchange);
  const exchanged = await host.client.exchange({ subject, actor: agent }, { audience: ordersApi });
  const expiresAt = new Date(systemRuntime.nowMs() + 3_600_000).toISOString();
  await scene.rpc('delegation.v1.DelegationService/AllowAgent', { agentId, scopes: ['orders:read'], expiresAt });
  const consented = await host.client.exchange({ subject, actor: agent }, { audience: ordersApi });
  const introspection = ask(issuer, '/oauth2/introspect', { token: String(first.access_token) });
  introspection.headers.set('accept', 'application/token-introspection+jwt');
  signed = {
    'a session, for the management API': await owner.token(),
    'a session, for the gateway': await owner.token({ use: 'gateway' }),
    'a session, naming who may act': await owner.token({ ...forExchange, may_act: `agent:${agentId}` }),
    'a code': String(first.access_token),
    'a refresh token': String(refreshed.access_token),
    'a machine': await machineToken(lab),
    'a host': tokenOf(await host.client.clientCredentials()),
    'an agent': agent,
    'an exchange': tokenOf(exchanged),
    'an exchange by a consent': tokenOf(consented),
    'an ID token': String(first.id_token),
    'a logout token': await receiveLogout(scene),
    'an invite': String(invite.token),
    'a join state': host.joinState,
    'an introspection answer': (await send(authenticated(introspection, app))).text,
  };
});
afterAll(() => lab?.scene.close());

/** Of every access token. */
const access = ['iss', 'aud', 'sub', 'exp', 'iat', 'jti', 'client_id', 'scope', 'tenant_id', 'ep', 'fs'];
/** Where a policy has decided: always, except when people ask for a token of the session they are in. */
const decided = [...access, 'did', 'pv'];
const ofSession = [...access, 'sid', 'tenant_role'];
/** With `offline_access`: the grant outlives the session, so no session is named. */
const ofGrant = [...decided, 'tenant_role', 'grants'];
const join = ['iss', 'aud', 'sub', 'iat', 'tenant_id', 'generation', 'incarnation', 'cnf'];

test.each([
  ['a session, for the management API', 'at+jwt', 'ES256', ofSession],
  ['a session, for the gateway', 'at+jwt', 'ES256', [...ofSession, 'use']],
  ['a session, naming who may act', 'at+jwt', 'ES256', [...ofSession, 'may_act']],
  ['a code', 'at+jwt', 'ES256', ofGrant],
  ['a refresh token', 'at+jwt', 'ES256', ofGrant],
  ['a machine', 'at+jwt', 'ES256', decided],
  ['a host', 'at+jwt', 'ES256', decided],
  ['an agent', 'at+jwt', 'ES256', [...decided, 'act']],
  ['an exchange', 'at+jwt', 'ES256', [...ofSession, 'did', 'pv', 'act', 'pjti']],
  ['an exchange by a consent', 'at+jwt', 'ES256', [...ofSession, 'did', 'pv', 'act', 'pjti', 'grants']],
  ['an ID token', 'JWT', 'RS256', ['iss', 'aud', 'sub', 'exp', 'iat', 'auth_time', 'nonce', 'sid', 'at_hash']],
  ['a logout token', 'logout+jwt', 'RS256', ['iss', 'aud', 'sub', 'exp', 'iat', 'jti', 'sid', 'events']],
  ['an invite', 'mono-invite+jwt', 'ES256', ['iss', 'aud', 'exp', 'iat', 'jti', 'tenant_id', 'host_name', 'purpose']],
  ['a join state', 'mono-join+jwt', 'ES256', join],
  ['an introspection answer', 'token-introspection+jwt', 'RS256', ['iss', 'aud', 'iat', 'token_introspection']],
])('%s says exactly what it is meant to, and nothing more', (kind, typ, alg, claims) => {
  const token = signed[kind] as string;
  expect(decodeProtectedHeader(token)).toMatchObject({ typ, alg, kid: expect.stringMatching(/^key_/) });
  expect(Object.keys(decodeProtectedHeader(token)).sort()).toEqual(['alg', 'kid', 'typ']);
  expect(Object.keys(decodeJwt(token)).sort()).toEqual([...claims].sort());
});
