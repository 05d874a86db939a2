import type { CedarValueJson } from '@cedar-policy/cedar-wasm/nodejs';
import { expect, test } from 'vitest';
import { withCedar } from '../cedar.ts';
import type { Circumstances } from '../circumstances.ts';
import type { EngineDecision } from '../decision.ts';
import { readPolicySet } from '../policy-set.ts';
import { EntityRef, type Value, ValueSet } from '../value.ts';
import { crossTenantPolicies, crossTenantSchema } from './cross-tenant-policies.ts';
import { type CrossTenantRequest, crossTenantCircumstances, decideCrossTenant } from './decide-cross-tenant.ts';

const here = 'ten_01arz3ndektsv4rrffq69g5fav';
const elsewhere = 'ten_01arz3ndektsv4rrffq69g5faw';
const partner = 'user:usr_01arz3ndektsv4rrffq69g5fav';
const operation = 'orders:read';

/** Every column of the truth table, with every value that could make a difference. */
const columns = {
  access: ['read', 'manage'],
  permissions: [
    [],
    ['partner:read'],
    ['cross_tenant:manage'],
    ['partner:read', 'cross_tenant:manage'],
    ['*', 'partner:*'],
  ],
  tenantRole: [undefined, 'member', 'admin', 'owner', '*'],
  actor: [undefined, 'agent:agt_01arz3ndektsv4rrffq69g5fav'],
  resourceTenant: [here, elsewhere, undefined, '', '*', 'ten_*'],
  delegate: [partner, 'user:usr_01arz3ndektsv4rrffq69g5faw', 'user:*'],
  delegatedTenant: [here, undefined, '', '*', 'ten_*'],
  scope: [[operation], ['orders:write'], [], ['*', 'orders:*']],
  active: [true, false],
} as const;
type Row = { readonly [C in keyof typeof columns]: (typeof columns)[C][number] };

/** All rows in which there is a delegation. */
function* rows(): Generator<Row> {
  const names = Object.keys(columns) as (keyof typeof columns)[];
  const total = names.reduce((count, name) => count * columns[name].length, 1);
  for (let row = 0; row < total; row++) {
    let rest = row;
    const picked = names.map((name) => {
      const values = columns[name];
      const value = values[rest % values.length];
      rest = Math.floor(rest / values.length);
      return [name, value];
    });
    yield Object.fromEntries(picked) as Row;
  }
}

/** Reads: 2 sets of permissions in 5 roles, and 1 more in 2, with an actor or without; managing: 2 sets in 2 roles, without. */
const allowedRows = (2 * 5 + 1 * 2) * 2 + 2 * 2;

const requestOf = (row: Row): CrossTenantRequest => ({
  ...{ principal: partner, access: row.access, operation, permissions: row.permissions },
  resource: { type: 'order', id: '17', tenantId: row.resourceTenant },
  ...{ tenantRole: row.tenantRole, actor: row.actor },
  delegation: { delegate: row.delegate, tenantId: row.delegatedTenant, scope: row.scope, active: row.active },
});

/** The rule in plain words, written a second time. */
function expected({ access, permissions, tenantRole, actor, ...row }: Row): boolean {
  const holds = (permission: string) => (permissions as readonly string[]).includes(permission);
  const sameTenant = row.resourceTenant === here && row.delegatedTenant === here;
  const inForce = row.active && row.delegate === partner && (row.scope as readonly string[]).includes(operation);
  const reads = access === 'read' && holds('partner:read');
  const administers = (tenantRole === 'admin' || tenantRole === 'owner') && holds('cross_tenant:manage');
  return sameTenant && inForce && (reads || (administers && (access === 'read' || actor === undefined)));
}

test('every row of the truth table is decided by the rule, and none has an error', () => {
  let [allowed, all] = [0, 0];
  for (const row of rows()) {
    const decision = decideCrossTenant(requestOf(row));
    if (decision.allowed !== expected(row) || decision.errors.length > 0) {
      expect({ row, ...decision }).toEqual({ row, allowed: expected(row), reasons: decision.reasons, errors: [] });
    }
    all += 1;
    if (decision.allowed) allowed += 1;
  }
  expect([all, allowed]).toEqual([2 * 5 * 5 * 2 * 6 * 3 * 5 * 4 * 2, allowedRows]);
});

test('without a delegation nobody reaches over, whatever they hold', () => {
  for (const row of rows()) {
    if (!row.active || row.scope.length !== 1) continue;
    expect(decideCrossTenant({ ...requestOf(row), delegation: undefined }).allowed).toBe(false);
  }
});

test('the policies pass Cedar’s strict validation under their schema', () => {
  const answer = withCedar((cedar) =>
    cedar.validate({
      schema: crossTenantSchema,
      policies: { staticPolicies: crossTenantPolicies },
      validationSettings: { mode: 'strict' },
    }),
  );
  expect(answer).toMatchObject({ type: 'success', validationErrors: [], validationWarnings: [] });
});

test('Cedar decides alike, by the same policies and for the same reasons', () => {
  const cedar = cedarDecider();
  let compared = 0;
  let allowed = 0;
  for (const row of rows()) {
    // Each row in which the rule says yes, and a share of the others that is no multiple of any column.
    if (!expected(row) && ++compared % 17 !== 0) continue;
    const request = requestOf(row);
    const byCedar = cedar(crossTenantCircumstances(request) as Circumstances);
    const compiled = decideCrossTenant(request);
    expect({ row, ...compiled, reasons: [...compiled.reasons].sort() }).toEqual({ row, ...byCedar });
    if (byCedar.allowed) allowed += 1;
  }
  expect(allowed).toBe(allowedRows);
});

test('only a person reaches over: nobody else is let in, and what is neither reading nor managing is not done', () => {
  const [row] = [...rows()].filter(expected);
  if (!row) throw new Error('nobody is allowed');
  const request = requestOf(row);
  expect(decideCrossTenant(request).allowed).toBe(true);
  const delegated = (principal: string) => ({
    ...request,
    principal,
    delegation: { ...(request.delegation as NonNullable<typeof request.delegation>), delegate: principal },
  });
  for (const kind of ['agent:agt_1', 'host:hst_1', 'client:cli_1', 'service:cli_1', 'user:', '', '*', 'User:usr_1']) {
    expect(decideCrossTenant(delegated(kind)).allowed, kind).toBe(false);
  }
  for (const access of ['*', '', 'constructor', 'READ']) {
    expect(decideCrossTenant({ ...request, access: access as 'read' }).allowed, access).toBe(false);
  }
});

/** Cedar itself, with the schema. */
function cedarDecider(): (at: Circumstances) => EngineDecision {
  const policies = Object.fromEntries(readPolicySet(crossTenantPolicies).map(({ name, text }) => [name, text]));
  withCedar((cedar) => {
    expect(cedar.preparsePolicySet('cross-tenant', { staticPolicies: policies }).type).toBe('success');
    expect(cedar.preparseSchema('cross-tenant', crossTenantSchema).type).toBe('success');
  });
  return ({ principal, action, resource, resourceAttributes, context }) => {
    const uid = { type: resource.type, id: resource.id };
    const answer = withCedar((cedar) =>
      cedar.statefulIsAuthorized({
        principal: { type: principal.type, id: principal.id },
        action: { type: action.type, id: action.id },
        resource: uid,
        context: recordOf(context),
        entities: [{ uid, attrs: recordOf(resourceAttributes), parents: [] }],
        preparsedPolicySetId: 'cross-tenant',
        preparsedSchemaName: 'cross-tenant',
        validateRequest: true,
      }),
    );
    if (answer.type === 'failure') throw new TypeError(answer.errors[0]?.message);
    const { decision, diagnostics } = answer.response;
    expect(diagnostics.errors).toEqual([]);
    return { allowed: decision === 'allow', reasons: [...diagnostics.reason].sort(), errors: [] };
  };
}

function recordOf(members: ReadonlyMap<string, Value>): Record<string, CedarValueJson> {
  return Object.fromEntries([...members].map(([name, value]) => [name, jsonOf(value)]));
}

function jsonOf(value: Value): CedarValueJson {
  if (value instanceof EntityRef) return { __entity: { type: value.type, id: value.id } };
  if (typeof value === 'string' || typeof value === 'boolean') return value;
  if (!(value instanceof ValueSet)) throw new TypeError('not in these requests');
  const members: CedarValueJson[] = [];
  value.every((member) => members.push(jsonOf(member)) > 0);
  return members;
}
