import { openTestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ordersApi } from '../oauth-scene.ts';
import { breakEach } from './ask.ts';
import { accessToken, type ExchangeLab, openExchangeLab, serviceApis } from './exchange-lab.ts';
import { broken, type ExchangeParams, type ExchangeRow, exchangeAsk, httpRow } from './exchange-row.ts';
import { breakEachOverRpc } from './exchange-rpc.ts';

let lab: ExchangeLab;
/** An exchange that is right in every part: the owner's token by the owner's agent. */
let right: ExchangeParams;

beforeAll(async () => {
  lab = await openExchangeLab(await openTestDatabase(), testKek, () => Promise.reject(new Error('nobody asked')));
  const { scene } = lab;
  right = {
    ...{ subject_token: await lab.subject(), subject_token_type: accessToken },
    ...{ actor_token: await lab.actor(), actor_token_type: accessToken },
    ...{ resource: ordersApi, scope: 'orders:read' },
  };
  expect(scene.issuer).toContain('/t/home');
}, 60_000);
afterAll(() => lab?.scene.close());

const type = (name: string) => `urn:ietf:params:oauth:token-type:${name}`;
const noActor = { actor_token: null, actor_token_type: null };

/** What a request must look like, whoever is in it (RFC 8693 §2.1, RFC 6749 §3.2, RFC 8707 §2). */
function shapeRows({ subject_token: subject = '', actor_token: actor = '' }: ExchangeParams): ExchangeRow[] {
  const both = (value: ExchangeParams[string]) => [String(value), String(value)];
  return [
    broken('8693 §2.1', 'no subject_token', { subject_token: null }),
    broken('6749 §3.2', 'an empty subject_token', { subject_token: '' }),
    broken('6749 §3.2', 'two subject_tokens', { subject_token: both(subject) }),
    broken('8693 §2.1', 'no subject_token_type', { subject_token_type: null }),
    broken('6749 §3.2', 'an empty subject_token_type', { subject_token_type: '' }),
    broken('6749 §3.2', 'two subject_token_types', { subject_token_type: both(accessToken) }),
    broken('8693 §2.1', 'an actor_token without its type', { actor_token_type: null }),
    broken('8693 §2.1', 'an actor_token with an empty type', { actor_token_type: '' }),
    broken('8693 §2.1', 'an actor_token_type without a token', { actor_token: null }),
    broken('8693 §2.1', 'an actor_token_type with an empty token', { actor_token: '' }),
    broken('6749 §3.2', 'two actor_tokens', { actor_token: both(actor) }),
    broken('6749 §3.2', 'two actor_token_types', { actor_token_type: both(accessToken) }),
    broken('8693 §3', 'a subject_token_type of nobody’s', { subject_token_type: type('other') }),
    broken('8693 §3', 'a subject_token_type in short', { subject_token_type: 'access_token' }),
    broken('8693 §3', 'a subject_token_type in upper case', { subject_token_type: accessToken.toUpperCase() }),
    broken('8693 §3', 'an actor_token_type of nobody’s', { actor_token_type: type('other') }),
    ...['id_token', 'refresh_token', 'saml1', 'saml2'].flatMap((name) => [
      broken('8693 §3', `an access token called ${name}`, { subject_token_type: type(name) }),
      broken('8693 §3', `an actor’s access token called ${name}`, { actor_token_type: type(name) }),
    ]),
    broken('8693 §2.1', 'a requested_token_type of nobody’s', { requested_token_type: type('other') }),
    ...['id_token', 'refresh_token', 'saml2'].map((name) =>
      broken('8693 §2.1', `${name} requested`, { requested_token_type: type(name) }),
    ),
    broken('6749 §3.2', 'two requested_token_types', { requested_token_type: both(accessToken) }),
    broken('9700 §2.3', 'no target', { resource: null }),
    broken('9700 §2.3', 'an empty target', { resource: '' }),
    broken('8707 §2', 'a resource with a fragment', { resource: `${ordersApi}#x` }, 'invalid_target'),
    broken('8707 §2', 'a resource that is no URI', { resource: 'orders' }, 'invalid_target'),
    broken('8707 §2', 'two resources', { resource: [ordersApi, String(serviceApis[0])] }, 'invalid_target'),
    broken('8693 §2.1', 'a resource and another audience', { audience: String(serviceApis[0]) }, 'invalid_target'),
    broken('8693 §2.1', 'two audiences', { resource: null, audience: serviceApis.slice(0, 2) }, 'invalid_target'),
    broken('8693 §2.2.2', 'a target of nobody’s', { resource: 'https://else.example.test' }, 'invalid_target'),
    broken('8693 §2.2.2', 'a target with a slash more', { resource: `${ordersApi}/` }, 'invalid_target'),
    broken('8693 §2.2.2', 'the management API', { resource: `${lab.scene.issuer}/rpc` }, 'invalid_target'),
    broken('8693 §2.2.2', 'the issuer, which the host may not reach', { resource: lab.scene.issuer }, 'invalid_target'),
    broken('8693 §2.2.2', 'another tenant’s issuer', { audience: lab.other.issuer, resource: null }, 'invalid_target'),
    broken('6749 §3.3', 'a scope that is none', { scope: '"' }, 'invalid_scope'),
    broken('6749 §3.2', 'two scopes', { scope: ['orders:read', 'orders:write'] }),
    broken('8693 §2.1', 'a scope that nobody holds', { scope: 'else' }, 'invalid_scope'),
    broken('8693 §2.1', 'a scope of the management API', { scope: 'tokens:exchange' }, 'invalid_scope'),
    broken('8693 §2.1', 'the types of subject and actor alone', { subject_token: null, actor_token: null }),
    broken('8693 §2.1', 'the tokens swapped', { subject_token: String(actor), actor_token: String(subject) }),
    broken('8693 §2.1', 'the subject as its own actor', { actor_token: String(subject) }),
    broken('8693 §2.1', 'the actor as its own subject', { subject_token: String(actor) }),
    broken(
      '6749 §5.2',
      'the grant type with a letter more',
      { grant_type: 'urn:ietf:params:oauth:grant-type:token-exchanges' },
      'unsupported_grant_type',
    ),
    broken('6749 §5.2', 'no grant type', { grant_type: null }),
    broken('6749 App. A', 'letters that are no ASCII', { scope: 'ördérs' }),
    broken('ours', 'another word than true in impersonate', { impersonate: 'yes' }),
    broken('6749 §3.2', 'two words in impersonate', { impersonate: ['true', 'true'] }),
  ];
}

/** Who asks (RFC 6749 §2.3, §5.2; RFC 8693 §2.1 and §5). */
function clientRows(): ExchangeRow[] {
  const { host, otherHost, foreign, machine, publicApp, app, exchanger, scene } = lab;
  return [
    broken('6749 §2.3', 'nobody', { client_assertion: null, client_assertion_type: null }, 'invalid_client'),
    broken('7523 §3', 'an assertion that is none', { client_assertion: 'a.b.c' }, 'invalid_client'),
    broken('6749 §2.3', 'a wrong secret', {}, 'invalid_client', { id: exchanger.id, secret: 'wrong' }),
    broken('6749 §2.3', 'a client that never was', {}, 'invalid_client', {
      id: 'cli_00000000000000000000000000',
      secret: 'x',
    }),
    broken('law 5', 'a client of another tenant', {}, 'invalid_client', foreign),
    broken('6749 §2.3', 'a confidential client by its name alone', {}, 'invalid_client', { id: exchanger.id }),
    broken('6749 §5.2', 'a client without the grant', {}, 'unauthorized_client', machine),
    broken('6749 §5.2', 'an app without the grant', {}, 'unauthorized_client', app),
    broken('8693 §5', 'a public client', {}, 'unauthorized_client', { id: publicApp.id }),
    broken('deputy', 'another host with this host’s actor', {}, 'invalid_request', otherHost),
    broken('deputy', 'a machine with a host’s actor', {}, 'invalid_request', exchanger),
    broken('deputy', 'a service with a host’s actor', {}, 'invalid_request', lab.services[0]),
    broken('deputy', 'a host alone', noActor, 'invalid_request', host),
    broken(
      'law 5',
      'the other tenant’s audience of the assertion',
      { client_assertion: scene.ownerToken },
      'invalid_client',
    ),
  ];
}

const rightAsk = () => exchangeAsk(lab.scene.issuer, lab.host, right);

test('a request that breaks one MUST of its shape is refused by its own error, and uses nothing up', async () => {
  const table = shapeRows(right).map((row) => httpRow(row, lab.host));
  expect(table.length).toBeGreaterThanOrEqual(50);
  expect(await breakEach(table, rightAsk)).toEqual([]);
}, 120_000);

test('the same over RPC, where a message can say it', async () => {
  const { faults, asked } = await breakEachOverRpc([...shapeRows(right), ...clientRows()], lab.host, rightAsk);
  expect(faults).toEqual([]);
  expect(asked).toBeGreaterThanOrEqual(40);
}, 120_000);

test('a client that may not ask is refused by its own error, and uses nothing up', async () => {
  const table = clientRows().map((row) => httpRow(row, lab.host));
  expect(await breakEach(table, rightAsk)).toEqual([]);
}, 60_000);
