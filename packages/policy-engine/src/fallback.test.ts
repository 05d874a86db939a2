import type { CedarValueJson } from '@cedar-policy/cedar-wasm/nodejs';
import { newId } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { withCedar } from './cedar.ts';
import { compilePolicies } from './compile-policies.ts';
import { defaultPolicyText } from './default-policies.ts';
import { openEngine } from './engine.ts';
import { readPolicySet } from './policy-set.ts';
import type { DecisionRequest, JsonValue } from './request.ts';
import { policySchemaVersion, schemaText } from './schema.ts';

const actions = ['token.issue', 'token.exchange', 'access'];
const when = (body: string) => `@id("it") permit (principal, action, resource) when { ${body} };`;
const compiles = (policyText: string) => compilePolicies(readPolicySet(policyText), actions) !== undefined;
const asked = (context: Record<string, JsonValue> = {}): DecisionRequest => ({
  principal: 'user:usr_1',
  action: 'orders:read',
  resource: { type: 'order', id: '17' },
  context,
});
const engineOf = (policyText: string) =>
  openEngine({ tenantId: newId(systemRuntime, 'ten'), version: 1, policyText, schemaVersion: policySchemaVersion });

test('the default set compiles', () => {
  expect(compiles(defaultPolicyText)).toBe(true);
});

test.each([
  ['decimal("1.5").lessThan(decimal("2.0"))', true],
  ['ip("10.0.0.7").isInRange(ip("10.0.0.0/8"))', true],
  ['datetime("2026-01-01") < datetime("2025-01-01")', false],
  ['duration("1h") == duration("60m")', true],
  ['9007199254740992 == 9007199254740993', false],
  ['9223372036854775807 > 9223372036854775806', true],
  ['-9223372036854775808 + 0 == -9223372036854775808', true],
])('a set with what is not compiled is decided by Cedar, exactly: %s', (body, allowed) => {
  expect(compiles(`${defaultPolicyText}\n${when(body)}`)).toBe(false);
  expect(engineOf(when(body)).decide(asked())).toEqual({ allowed, reasons: allowed ? ['it'] : [], errors: [] });
});

const policyForm = {
  effect: 'permit',
  principal: { op: 'All' },
  action: { op: 'All' },
  resource: { op: 'All' },
  conditions: [{ kind: 'when', body: { Value: true } }],
};
const body = (expression: unknown) => ({ conditions: [{ kind: 'when', body: expression }] });
const variable = { Var: 'principal' };

test.each<[string, object]>([
  ['a member more in a policy', { later: 1 }],
  ['an unknown effect', { effect: 'advise' }],
  ['a slot', { principal: { op: '==', slot: '?principal' } }],
  ['an unknown constraint', { resource: { op: 'near', entity: { type: 'Resource', id: 'a' } } }],
  ['a type constraint on the action', { action: { op: 'is', entity_type: 'Action' } }],
  ['a member more in a constraint', { principal: { op: 'All', later: 1 } }],
  ['an unknown kind of condition', { conditions: [{ kind: 'while', body: { Value: true } }] }],
  ['an unknown operator', body({ xor: { left: variable, right: variable } })],
  ['a name that every object has', body({ constructor: { left: variable, right: variable } })],
  ['an unknown variable', body({ Var: 'time' })],
  ['an unknown literal', body({ Value: { __extn: { fn: 'decimal', arg: '1.0' } } })],
  ['a fraction', body({ Value: 1.5 })],
  ['a member more in an operator', body({ '==': { left: variable, right: variable, mode: 'loose' } })],
  ['two operators in one', body({ '!': { arg: variable }, neg: { arg: variable } })],
  ['an unknown part of a pattern', body({ like: { left: variable, pattern: [{ Class: 'a' }] } })],
  ['an unknown form deep inside', body({ '&&': { left: { Value: false }, right: { Set: [{ Unknown: 1 }] } } })],
])('a form that is not exactly a known one is not compiled: %s', (_name, change) => {
  expect(compilePolicies([{ name: 'it', json: policyForm }], actions)).toBeDefined();
  expect(compilePolicies([{ name: 'it', json: { ...policyForm, ...change } }], actions)).toBeUndefined();
});

test('an error in a policy denies and names it, by compiled policies and by Cedar alike', () => {
  for (const broken of ['principal.name == "x"', '9007199254740991 * 1025 > 0', 'context.scope.contains("x")', '1']) {
    for (const beside of ['true', 'ip("10.0.0.7").isIpv4()']) {
      const { decide } = engineOf(`permit (principal, action, resource) when { ${beside} }; ${when(broken)}`);
      const { allowed, reasons, errors } = decide(asked());
      expect({ allowed, reasons, named: errors.map((error) => error.split(':')[0]) }).toEqual({
        allowed: false,
        reasons: [],
        named: ['it'],
      });
    }
  }
});

const anyJson = fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<JsonValue>;
const escapes = fc.constantFrom<JsonValue>(
  { __entity: { type: 'User', id: 'x' } },
  { __extn: { fn: 'decimal', arg: '1.0' } },
  [{ __extn: { fn: 'ip', arg: '10.0.0.1' } }],
  ['x', 1],
  ['x', null],
);
const attributeName = fc.constantFrom('scope', 'actors', 'audience', 'client_id', 'tenant_role');

test('a context is refused here exactly when Cedar refuses it under the schema', () => {
  const policyText = 'permit (principal, action, resource);';
  const { decide } = engineOf(policyText);
  const permittedByCedar = (context: Record<string, CedarValueJson>) =>
    withCedar((cedar) =>
      cedar.isAuthorized({
        principal: { type: 'User', id: 'usr_1' },
        action: { type: 'Action', id: 'access' },
        resource: { type: 'Resource', id: 'order/17' },
        context: { operation: 'orders:read', ...context },
        entities: [],
        policies: { staticPolicies: policyText },
        schema: schemaText,
        validateRequest: true,
      }),
    ).type === 'success';
  fc.assert(
    fc.property(attributeName, fc.oneof(anyJson, escapes, fc.array(fc.string()), fc.string()), (name, value) => {
      fc.pre(value !== null);
      expect(decide(asked({ [name]: value })).allowed).toBe(permittedByCedar({ [name]: value as CedarValueJson }));
    }),
    { numRuns: 500 },
  );
});

test('text that is not well-formed Unicode denies and costs nobody the evaluator', () => {
  const lone = '\ud800';
  const requests: DecisionRequest[] = [
    { ...asked(), principal: `user:${lone}` },
    { ...asked(), action: lone },
    { ...asked(), resource: { type: lone, id: '1' } },
    { ...asked(), resource: { type: 'order', id: lone } },
    asked({ audience: lone }),
    asked({ scope: ['orders:read', lone] }),
  ];
  for (const policyText of ['permit (principal, action, resource);', when('ip("10.0.0.7").isIpv4()')]) {
    const { decide } = engineOf(policyText);
    for (const request of requests) expect(decide(request).errors).toEqual([expect.stringMatching(/well-formed/)]);
    expect(decide(asked()).allowed).toBe(true);
  }
});
