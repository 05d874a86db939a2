import { expect, test } from 'vitest';
import { grantScope, parseTokenRequest } from './token-request.ts';

const issuer = 'https://id.test/t/acme';
const held = ['tenants:read', 'tokens:exchange'];

test('the default is a token of 600 s for the management API', () => {
  expect(parseTokenRequest({}, issuer)).toEqual({
    audience: `${issuer}/rpc`,
    scope: undefined,
    use: undefined,
    mayAct: undefined,
    ttlSeconds: 600,
  });
});

test('the gateway’s token lives 60 s, and its audience and its use are one thing', () => {
  const gateway = {
    audience: `${issuer}/gateway`,
    scope: undefined,
    use: 'gateway',
    mayAct: undefined,
    ttlSeconds: 60,
  };
  expect(parseTokenRequest({ use: 'gateway' }, issuer)).toEqual(gateway);
  expect(parseTokenRequest({ use: 'gateway', audience: `${issuer}/gateway` }, issuer)).toEqual(gateway);
  for (const body of [{ audience: `${issuer}/gateway` }, { use: 'gateway', audience: issuer }]) {
    expect(() => parseTokenRequest(body, issuer)).toThrow(expect.objectContaining({ reason: 'invalid_target' }));
  }
});

test('what is malformed is refused, naming the field', () => {
  const wrong: [Record<string, unknown>, string][] = [
    [{ audience: 1 }, 'invalid_request'],
    [{ audience: '' }, 'invalid_request'],
    [{ audience: 'x'.repeat(2049) }, 'invalid_request'],
    [{ use: 'anything' }, 'invalid_request'],
    [{ scope: ['a'] }, 'invalid_request'],
    [{ scope: '' }, 'invalid_scope'],
    [{ scope: 'a"b' }, 'invalid_scope'],
    [{ audience: issuer, may_act: 'host:hst_01h2xcejqtf2nbrexx3vqjhp41' }, 'invalid_request'],
    [{ audience: issuer, may_act: 'agent:x' }, 'invalid_request'],
    [{ audience: issuer, may_act: '' }, 'invalid_request'],
    [{ audience: issuer, may_act: ['agent:agt_01h2xcejqtf2nbrexx3vqjhp41'] }, 'invalid_request'],
  ];
  for (const [body, reason] of wrong) {
    expect(() => parseTokenRequest(body, issuer), JSON.stringify(body)).toThrow(expect.objectContaining({ reason }));
  }
});

test('at the management API a person gets what they ask for and hold, and all they hold when they do not ask', () => {
  const audience = `${issuer}/rpc`;
  const grant = (scope: string[] | undefined) => grantScope({ audience, scope, use: undefined }, issuer, held);
  expect(grant(undefined)).toEqual(held);
  expect(grant(['tenants:read', 'policy:publish', 'orders:read'])).toEqual(['tenants:read']);
});

test('a subject token carries scope of resources, and of our permissions those that the person holds', () => {
  const grant = (scope: string[] | undefined) => grantScope({ audience: issuer, scope, use: undefined }, issuer, held);
  expect(grant(['orders:read', 'policy:publish', 'tenants:read'])).toEqual(['orders:read', 'tenants:read']);
  expect(grant(undefined)).toEqual([]);
});

test('who may act is named in a token for the issuer, where agents exchange it, and nowhere else', () => {
  const mayAct = 'agt_01h2xcejqtf2nbrexx3vqjhp41';
  const read = (body: Record<string, unknown>) => parseTokenRequest({ may_act: `agent:${mayAct}`, ...body }, issuer);
  expect(read({ audience: issuer }).mayAct).toBe(mayAct);
  for (const body of [{}, { audience: `${issuer}/rpc` }, { use: 'gateway' }, { audience: 'https://orders.example' }]) {
    expect(() => read(body)).toThrow(expect.objectContaining({ reason: 'invalid_request' }));
  }
});
