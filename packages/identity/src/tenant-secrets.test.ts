import { newId } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import { expect, test } from 'vitest';
import { deriveTenantSecrets } from './tenant-secrets.ts';

test('every tenant and every use has a key of its own, also over the same key material', () => {
  const material = new Uint8Array(32).fill(7);
  const [one, other] = [newId(systemRuntime, 'ten'), newId(systemRuntime, 'ten')];
  const keys = [one, other].flatMap((tenant) => {
    const { cookieSecret, formKey } = deriveTenantSecrets(tenant, material);
    return [cookieSecret, Buffer.from(formKey).toString('base64url')];
  });
  expect(new Set(keys).size).toBe(4);
  expect(keys.every((key) => key.length === 43)).toBe(true);
  expect(deriveTenantSecrets(one, material)).toEqual(deriveTenantSecrets(one, material));
});

test('short key material is refused', () => {
  expect(() => deriveTenantSecrets(newId(systemRuntime, 'ten'), new Uint8Array(31))).toThrow(TypeError);
});
