import { newId, type TenantId } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import { expect, test } from 'vitest';
import { sealAll } from './jobs.ts';

const tenants = Array.from({ length: 20 }, () => newId(systemRuntime, 'ten'));
const jobsOf = (sealTenant: (tenantId: TenantId) => Promise<number>) => ({
  unsealedTenants: async () => tenants,
  sealTenant,
  moveKeys: async () => {},
  sweep: async () => {},
});

test('a round seals every tenant once, at most four at a time', async () => {
  const sealed: TenantId[] = [];
  let running = 0;
  let most = 0;
  const total = await sealAll(
    jobsOf(async (tenantId) => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, 1));
      running--;
      sealed.push(tenantId);
      return 2;
    }),
  );
  expect(total).toBe(40);
  expect([...sealed].sort()).toEqual([...tenants].sort());
  expect(most).toBe(4);
});

test('a tenant that fails does not hold up the others, and the failure is told', async () => {
  const sealed: TenantId[] = [];
  const round = sealAll(
    jobsOf(async (tenantId) => {
      if (tenantId === tenants[0]) throw new Error('broken');
      sealed.push(tenantId);
      return 1;
    }),
  );
  await expect(round).rejects.toMatchObject({ errors: [{ message: 'broken' }] });
  expect(sealed).toHaveLength(19);
});
