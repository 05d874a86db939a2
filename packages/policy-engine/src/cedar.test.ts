import { newId } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import { expect, test } from 'vitest';
import { withCedar } from './cedar.ts';
import { openEngine } from './engine.ts';
import { policySchemaVersion } from './schema.ts';

test('an evaluator that ran out of stack is replaced, and engines that were open decide as before', () => {
  const snapshot = {
    tenantId: newId(systemRuntime, 'ten'),
    version: 1,
    policyText: 'permit (principal is User, action, resource);',
    schemaVersion: policySchemaVersion,
  };
  const engine = openEngine(snapshot, { cedarAlone: true });
  const decide = (principal: string) =>
    engine.decide({ principal, action: 'orders:read', resource: { type: 'order', id: '1' }, context: {} });
  const deep = `permit (principal, action, resource) when { ${'('.repeat(5000)}true${')'.repeat(5000)} };`;
  expect(() => withCedar((cedar) => cedar.checkParsePolicySet({ staticPolicies: deep }))).toThrow(/too complex/);
  expect(decide('user:usr_1')).toEqual({ allowed: true, reasons: ['policy0'], errors: [] });
  expect(decide('host:hst_1')).toEqual({ allowed: false, reasons: [], errors: [] });
});
