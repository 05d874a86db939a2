import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { productAccess } from './index.ts';
import { guard } from './middleware.ts';
import { FakeIssuer } from './testing/fake-issuer.ts';
import { createVerifier, type Verifier } from './verifier.ts';

const audience = 'https://docs.test';
let issuer: FakeIssuer;
let verifier: Verifier;

beforeAll(async () => {
  issuer = await FakeIssuer.start();
  verifier = createVerifier({ issuer: issuer.url, audience });
});
afterAll(() => issuer.stop());

const accessBy = async (claims: Record<string, unknown>, product = 'docs') =>
  productAccess(await verifier.verify(await issuer.mint({ aud: audience, ...claims })), product);

const claims = {
  roles: { docs: ['editor'], billing: ['viewer'] },
  permissions: { docs: ['doc:read', 'doc:write'], billing: ['invoice:read'] },
  resource_permissions: { docs: { 'folder/7': ['doc:delete'] } },
};

test('a verified token tells what may be done everywhere in a product, and what on a single thing besides', async () => {
  const access = await accessBy(claims);
  expect(access.roles).toEqual(['editor']);
  expect(access.permissions).toEqual(['doc:read', 'doc:write']);
  expect(access.isPermitted('doc:read')).toBe(true);
  expect(access.isPermitted('doc:read', 'folder/8')).toBe(true);
  expect(access.isPermitted('doc:delete', 'folder/7')).toBe(true);
});

test('nothing is permitted that is not written there: elsewhere, in another product, by a part of a name or a pattern', async () => {
  const access = await accessBy(claims);
  expect(access.isPermitted('doc:delete')).toBe(false);
  for (const resource of ['folder/8', 'folder/', 'folder', 'FOLDER/7', 'folder/7/', '*', '']) {
    expect(access.isPermitted('doc:delete', resource), resource).toBe(false);
  }
  for (const permission of ['invoice:read', 'doc', 'doc:', 'doc:*', '*', '']) {
    expect(access.isPermitted(permission, 'folder/7'), permission).toBe(false);
  }
  expect((await accessBy(claims, 'billing')).isPermitted('doc:delete', 'folder/7')).toBe(false);
});

test('a token that says nothing of a product holds nothing there, whatever the product is called', async () => {
  for (const held of [{}, claims, { permissions: {} }]) {
    for (const product of ['other', 'constructor', 'tostring', '__proto__', 'toString']) {
      const access = await accessBy(held, product);
      expect([access.roles, access.permissions, access.isPermitted('doc:read', 'length')]).toEqual([[], [], false]);
    }
  }
  const hostile = await accessBy({ ...claims, resource_permissions: { docs: { x: ['doc:delete'] } } });
  expect(hostile.isPermitted('doc:delete', 'constructor')).toBe(false);
});

describe('a signed token whose roles are not of their form is refused', () => {
  test.each([
    ['a list of roles without a product', { roles: ['editor'] }],
    ['one role without a list', { roles: { docs: 'editor' } }],
    ['an empty name', { roles: { docs: [''] } }],
    ['permissions that are no names', { permissions: { docs: [1] } }],
    ['no object', { permissions: 'doc:read' }],
    ['null', { permissions: null }],
    ['resources without names of permissions', { resource_permissions: { docs: ['doc:read'] } }],
    ['one of them without a list', { resource_permissions: { docs: { a: 'doc:read' } } }],
  ])('%s', async (_, malformed) => {
    await expect(accessBy(malformed)).rejects.toMatchObject({ reason: 'not_authenticated' });
  });
});

test('behind the guard the claims are there to be asked', async () => {
  const token = await issuer.mint({ aud: audience, scope: 'docs', ...claims });
  const request = new Request(audience, { headers: { authorization: `Bearer ${token}` } });
  const guarded = await guard(request, { verifier, scope: ['docs'] });
  if (guarded instanceof Response) throw new Error(await guarded.text());
  expect(productAccess(guarded.claims, 'docs').isPermitted('doc:write')).toBe(true);
});
