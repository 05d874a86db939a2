import { expect, test } from 'vitest';
import { isPermission, type Permission, permissions, permissionsOf } from './permissions.ts';
import { tenantRoles } from './principal.ts';

const every = Object.keys(permissions) as Permission[];
/** Of a client's approved manifest: no person has them. */
const clients: readonly Permission[] = ['tokens:impersonate'];
const platform: readonly Permission[] = ['tenants:provision', 'tenants:list', 'tenants:resolve'];

test('no role of an ordinary tenant holds a right of the platform', () => {
  for (const role of tenantRoles) {
    expect(permissionsOf(role, false).filter((permission) => platform.includes(permission))).toEqual([]);
  }
});

test('in the platform tenant its owners and admins hold those rights, and nobody else does', () => {
  const holders = tenantRoles.filter((role) =>
    platform.every((permission) => permissionsOf(role, true).includes(permission)),
  );
  expect(holders).toEqual(['owner', 'admin']);
  for (const role of ['auditor', 'member'] as const)
    expect(permissionsOf(role, true)).toEqual(permissionsOf(role, false));
});

test('an owner holds every right of a tenant that people have; each other role holds less', () => {
  const own = new Set(permissionsOf('owner', false));
  expect([...own, ...platform, ...clients].sort()).toEqual([...every].sort());
  for (const role of ['admin', 'auditor', 'member'] as const) {
    const held = permissionsOf(role, false);
    expect(held.every((permission) => own.has(permission))).toBe(true);
    expect(held.length).toBeLessThan(own.size);
  }
});

test('only an owner rotates keys and publishes policy', () => {
  for (const permission of ['keys:rotate', 'policy:publish'] as const) {
    const holders = tenantRoles.filter((role) => permissionsOf(role, true).includes(permission));
    expect(holders).toEqual(['owner']);
  }
});

test('an auditor reads, has tokens explained, and changes nothing', () => {
  const beyondReading = permissionsOf('auditor', false).filter((permission) => !permission.endsWith(':read'));
  expect(beyondReading).toEqual(['tokens:explain']);
});

test('a permission is one of the list, never a name that every object has', () => {
  expect(every.every(isPermission)).toBe(true);
  for (const text of ['constructor', 'toString', '__proto__', '', 'feed', 'feed:follow ']) {
    expect(isPermission(text)).toBe(false);
  }
});
