import { newId } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { defaultPolicyText } from './default-policies.ts';
import { openEngine } from './engine.ts';
import type { DecisionRequest } from './request.ts';
import { policySchemaVersion } from './schema.ts';
import type { PolicySnapshot } from './snapshot.ts';

const tenantId = newId(systemRuntime, 'ten');
const snapshotOf = (policyText: string, version = 1): PolicySnapshot => ({
  tenantId,
  version,
  policyText,
  schemaVersion: policySchemaVersion,
});
const engineOf = (policyText: string) => openEngine(snapshotOf(policyText));
const request = (over: Partial<DecisionRequest> = {}): DecisionRequest => ({
  principal: 'user:usr_1',
  action: 'orders:read',
  resource: { type: 'order', id: '17' },
  context: {},
  ...over,
});

/** Policies that apply or not, by what they test. */
const condition = fc.constantFrom(
  'context.operation == "orders:read"',
  'context.operation == "orders:write"',
  'resource.kind == "order"',
  'context has scope && context.scope.contains("orders:read")',
  'context has actor',
  'principal is User',
);
const policy = fc.record({ effect: fc.constantFrom('permit', 'forbid'), when: condition });
const policyText = (policies: readonly { effect: string; when: string }[]) =>
  policies.map(({ effect, when }) => `${effect} (principal, action, resource) when { ${when} };`).join('\n');
const anyRequest = fc.record({
  principal: fc.constantFrom('user:usr_1', 'host:hst_1', 'agent:agt_1', 'client:cli_1', 'service:cli_1'),
  action: fc.constantFrom('orders:read', 'orders:write', 'token.issue', 'token.exchange'),
  resource: fc.record({ type: fc.constantFrom('order', 'invoice'), id: fc.string() }),
  context: fc.constantFrom({}, { scope: ['orders:read'] }, { actors: ['agent:agt_1'] }),
});

/** What a condition of the generator means, written a second time. */
function holds(when: string, { principal, action, resource, context }: DecisionRequest): boolean {
  const scope = (context as { scope?: string[] }).scope;
  const meaning: Record<string, boolean> = {
    'context.operation == "orders:read"': action === 'orders:read',
    'context.operation == "orders:write"': action === 'orders:write',
    'resource.kind == "order"': resource.type === 'order',
    'context has scope && context.scope.contains("orders:read")': scope?.includes('orders:read') ?? false,
    'context has actor': 'actors' in context,
    'principal is User': principal.startsWith('user:'),
  };
  return meaning[when] as boolean;
}

test('a forbid that applies outweighs every permit, and what nothing permits is denied', () => {
  fc.assert(
    fc.property(fc.array(policy, { maxLength: 8 }), anyRequest, (policies, asked) => {
      const applies = (effect: string) => policies.some((p) => p.effect === effect && holds(p.when, asked));
      const { allowed, reasons, errors } = engineOf(policyText(policies)).decide(asked);
      expect(errors).toEqual([]);
      expect(allowed).toBe(applies('permit') && !applies('forbid'));
      if (!applies('permit') && !applies('forbid')) expect(reasons).toEqual([]);
    }),
    { numRuns: 200 },
  );
});

test('an empty set denies everything', () => {
  fc.assert(
    fc.property(anyRequest, (asked) => {
      expect(engineOf('// nothing').decide(asked)).toEqual({ allowed: false, reasons: [], errors: [] });
    }),
    { numRuns: 50 },
  );
});

test('a principal of an unknown kind is denied even where everything is permitted', () => {
  const engine = engineOf('permit (principal, action, resource);');
  expect(engine.decide(request()).allowed).toBe(true);
  const unknown = fc.oneof(
    fc.constantFrom('system:platform', 'anonymous:', 'user:', 'user', '', 'constructor:x', '__proto__:x', 'User:usr_1'),
    fc.string().filter((text) => !/^(user|host|agent|client|service):[\s\S]/.test(text)),
  );
  fc.assert(
    fc.property(unknown, (principal) => {
      const decision = engine.decide(request({ principal }));
      expect(decision.allowed).toBe(false);
      expect(decision.errors).toHaveLength(1);
    }),
  );
});

test('an attribute of the wrong type denies and says so, where a forbid would otherwise fail and be passed over', () => {
  const engine = engineOf(`permit (principal, action, resource);
    forbid (principal, action, resource) when { context has scope && context.scope.contains("x") };`);
  for (const scope of ['x', 5, [1], { a: 1 }, [null], [{ __entity: { type: 'User', id: 'x' } }]]) {
    const decision = engine.decide(request({ context: { scope } }));
    expect(decision.allowed).toBe(false);
    expect(decision.errors.length).toBeGreaterThan(0);
  }
});

test('a caller cannot speak for the engine: operation and actor are what the request says', () => {
  const engine = engineOf(`permit (principal, action, resource) when { context.operation == "admin" };
    permit (principal, action, resource) when { context has actor && context.actor == "agent:agt_1" };`);
  expect(engine.decide(request({ context: { operation: 'admin', actor: 'agent:agt_1' } })).allowed).toBe(false);
  expect(engine.decide(request({ context: { actors: ['agent:agt_1', 'host:hst_1'] } })).allowed).toBe(true);
  expect(engine.decide(request({ context: { actors: ['host:hst_1', 'agent:agt_1'] } })).allowed).toBe(false);
});

test('a token action cannot be asked for as an access, nor an access as a token action', () => {
  const engine = engineOf('permit (principal, action == Action::"token.issue", resource);');
  expect(engine.decide(request({ action: 'token.issue' })).allowed).toBe(true);
  expect(engine.decide(request({ action: 'token.exchange' })).allowed).toBe(false);
  expect(engine.decide(request({ action: 'access' })).allowed).toBe(false);
});

test('an attribute that the schema does not know changes nothing', () => {
  const engine = engineOf('permit (principal, action, resource);');
  expect(engine.decide(request({ context: { later: { x: 1 }, none: null } })).allowed).toBe(true);
});

test('decisions name their policies, forbids included', () => {
  const engine = engineOf(`@id("all") permit (principal, action, resource);
    @id("no-hosts") forbid (principal is Host, action, resource);`);
  expect(engine.decide(request()).reasons).toEqual(['all']);
  expect(engine.decide(request({ principal: 'host:hst_1' }))).toEqual({
    allowed: false,
    reasons: ['no-hosts'],
    errors: [],
  });
});

test('the default set permits tokens, holds access to the scope and refuses administration through a delegate', () => {
  const engine = engineOf(defaultPolicyText);
  const decide = (action: string, context: DecisionRequest['context']) =>
    engine.decide(request({ action, context })).allowed;
  expect(decide('token.issue', {})).toBe(true);
  expect(decide('token.exchange', { actors: ['agent:agt_1'] })).toBe(true);
  expect(decide('orders:read', { scope: ['orders:read'] })).toBe(true);
  expect(decide('orders:read', { scope: ['orders:read'], actors: ['agent:agt_1', 'host:hst_1'] })).toBe(true);
  expect(decide('orders:write', { scope: ['orders:read'] })).toBe(false);
  expect(decide('orders:read', {})).toBe(false);
  for (const widening of ['policy:publish', 'products:manage', 'roles:manage']) {
    expect(decide(widening, { scope: [widening] }), widening).toBe(true);
    expect(decide(widening, { scope: [widening], actors: ['agent:agt_1'] }), widening).toBe(false);
  }
});

test('more sets than Cedar is given to hold still decide each by its own', () => {
  const engines = Array.from({ length: 300 }, (_, at) =>
    openEngine(snapshotOf(`permit (principal == User::"usr_${at}", action, resource);`, at + 1), { cedarAlone: true }),
  );
  for (const step of [1, 7]) {
    for (let at = 0; at < engines.length; at += step) {
      const engine = engines[at] as (typeof engines)[number];
      expect(engine.decide(request({ principal: `user:usr_${at}` })).allowed).toBe(true);
      expect(engine.decide(request({ principal: `user:usr_${(at + 1) % 300}` })).allowed).toBe(false);
    }
  }
});

test('a snapshot under a schema that is not known here is refused, not guessed at', () => {
  expect(() => openEngine({ ...snapshotOf(defaultPolicyText), schemaVersion: 2 })).toThrow(/schema version 2/);
});
