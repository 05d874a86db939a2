import { Refusal } from '@mono-auth/core/errors';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Access,
  accessBy,
  accessClaimBytesMax,
  accessInClaims,
  claimsOfAccess,
  intersectAccess,
} from './access.ts';
import { takesAway } from './product.ts';

const names = ['read', 'write', 'delete', 'share'];
const things = ['a', 'b', '__proto__', 'constructor'];
const permissionsOf = new Map([
  ['viewer', ['read']],
  ['editor', ['read', 'write']],
  ['owner', ['read', 'write', 'delete']],
  ['guest', []],
]);

const held = fc.array(
  fc.record({
    role: fc.constantFrom(...permissionsOf.keys(), 'gone'),
    resource: fc.constantFrom('', ...things),
  }),
  { maxLength: 6 },
);
const access = held.map((assignments) => accessBy(assignments, permissionsOf));
type Assignment = typeof held extends fc.Arbitrary<(infer T)[]> ? T : never;

/** What the product asks of the claims. */
const may = ({ permissions, onResources }: Access, permission: string, thing: string) =>
  permissions.has(permission) || (onResources.get(thing)?.has(permission) ?? false);
/** What an assignment grants, said plainly. */
const grants = ({ role, resource }: Assignment, permission: string, thing: string) =>
  (resource === '' || resource === thing) && (permissionsOf.get(role) ?? []).includes(permission);

const everywhere = 'a thing that nobody names';
const questions = names.flatMap((permission) => [...things, everywhere].map((thing) => [permission, thing] as const));

test('somebody may do what one of their roles grants there, and nothing else', () => {
  fc.assert(
    fc.property(held, (assignments) => {
      const access = accessBy(assignments, permissionsOf);
      for (const [permission, thing] of questions) {
        expect(may(access, permission, thing)).toBe(assignments.some((one) => grants(one, permission, thing)));
      }
      const general = assignments.filter(({ role, resource }) => resource === '' && role !== 'gone');
      expect(access.roles).toEqual(new Set(general.map(({ role }) => role)));
    }),
  );
});

test('together two may do what each of them may, on every thing, and no role that one of them lacks', () => {
  fc.assert(
    fc.property(access, access, (a, b) => {
      const both = intersectAccess(a, b);
      for (const [permission, thing] of questions) {
        expect(may(both, permission, thing)).toBe(may(a, permission, thing) && may(b, permission, thing));
      }
      for (const role of permissionsOf.keys())
        expect(both.roles.has(role)).toBe(a.roles.has(role) && b.roles.has(role));
    }),
  );
});

test('what stands in claims is what was held, after it was signed and read as JSON, and about one product alone', () => {
  fc.assert(
    fc.property(access, (held) => {
      const claims = JSON.parse(JSON.stringify(claimsOfAccess('docs', held)));
      expect(accessInClaims(claims, 'docs')).toEqual(held);
      for (const other of ['billing', 'constructor', 'doc']) expect(accessInClaims(claims, other)).toBeUndefined();
    }),
  );
});

test('a token that is made for a product says so also where nothing is held, so that it bounds what is made of it', () => {
  const none = { roles: new Set<string>(), permissions: new Set<string>(), onResources: new Map() };
  expect(claimsOfAccess('docs', none)).toEqual({ roles: { docs: [] }, permissions: { docs: [] } });
  expect(accessInClaims(claimsOfAccess('docs', none), 'docs')).toEqual(none);
  expect(accessInClaims({}, 'docs')).toBeUndefined();
});

test('claims are no longer than their limit: what would be longer is refused, never cut', () => {
  const large = (count: number): Access => ({
    roles: new Set(),
    permissions: new Set(Array.from({ length: count }, (_, i) => `permission:${i}`)),
    onResources: new Map(),
  });
  expect(JSON.stringify(claimsOfAccess('docs', large(100))).length).toBeLessThanOrEqual(accessClaimBytesMax);
  expect(() => claimsOfAccess('docs', large(1_000))).toThrow(Refusal);
  expect(() => claimsOfAccess('docs', large(1_000))).toThrow(`more than ${accessClaimBytesMax} bytes`);
});

describe('a registration takes something away', () => {
  const role = (name: string, ...permissions: string[]) => ({ name, description: '', permissions });
  const before = { roles: [role('viewer', 'read'), role('editor', 'read', 'write')], resources: ['https://a'] };
  test.each<[string, typeof before, boolean]>([
    ['the same', before, false],
    ['another role', { ...before, roles: [...before.roles, role('owner', 'delete')] }, false],
    ['another resource', { ...before, resources: ['https://a', 'https://b'] }, false],
    ['more in a role', { ...before, roles: [role('viewer', 'read', 'list'), role('editor', 'read', 'write')] }, false],
    ['less in a role', { ...before, roles: [role('viewer'), role('editor', 'read', 'write')] }, true],
    ['as much, but other', { ...before, roles: [role('viewer', 'list'), role('editor', 'read', 'write')] }, true],
    ['no such role', { ...before, roles: [role('viewer', 'read')] }, true],
    ['a renamed role', { ...before, roles: [role('viewer', 'read'), role('writer', 'read', 'write')] }, true],
    ['another resource instead', { ...before, resources: ['https://b'] }, true],
  ])('%s: %#', (_, after, expected) => {
    expect(takesAway(before, after)).toBe(expected);
  });
});
