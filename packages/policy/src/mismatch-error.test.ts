import { newId } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import { expect, test } from 'vitest';
import { mismatchError } from './mismatch-error.ts';

test('a mismatch is told with its tenant, version and policies, and without who asked', () => {
  const tenantId = newId(systemRuntime, 'ten');
  const { message } = mismatchError(tenantId, 7, {
    request: {
      principal: { type: 'User', id: 'usr_secret' },
      action: 'access',
      resource: { id: 'order/17', kind: 'order' },
      context: new Map([['operation', 'orders:read']]),
    },
    compiled: { allowed: true, reasons: ['all'], errors: [] },
    cedar: { allowed: false, reasons: ['no-orders'], errors: [] },
  });
  expect(message).toContain(`policy 7 of ${tenantId}: `);
  expect(message).toContain('orders:read of order by User (allowed all; Cedar: denied no-orders)');
  expect(message).not.toContain('usr_secret');
});
