import type { Circumstances } from '../circumstances.ts';
import { compilePolicies } from '../compile-policies.ts';
import { deny, type EngineDecision } from '../decision.ts';
import { readPolicySet } from '../policy-set.ts';
import { EntityRef, type Value, ValueSet } from '../value.ts';
import { crossTenantPolicies } from './cross-tenant-policies.ts';

/** What an administrator of a tenant has given a partner there. */
export interface TenantDelegation {
  /** Principal URI of the partner. */
  readonly delegate: string;
  /** The tenant that is opened. */
  readonly tenantId: string | undefined;
  /** Operations, each by its whole name. */
  readonly scope: readonly string[];
  /** Whether it is in force now: accepted, not ended, not expired. */
  readonly active: boolean;
}

export interface CrossTenantRequest {
  /** Principal URI of a person; nobody else reaches over. */
  readonly principal: string;
  /** What the operation comes to. */
  readonly access: 'read' | 'manage';
  /** Such as `orders:read`. */
  readonly operation: string;
  readonly resource: { readonly type: string; readonly id: string; readonly tenantId: string | undefined };
  /** What the principal holds in their own tenant. */
  readonly permissions: readonly string[];
  readonly tenantRole?: string | undefined;
  /** Who acts for the principal, outermost. */
  readonly actor?: string | undefined;
  readonly delegation?: TenantDelegation | undefined;
}

const actions: readonly string[] = ['read', 'manage'] satisfies CrossTenantRequest['access'][];

let compiled: ReturnType<typeof compilePolicies>;

/**
 * Whether somebody of one tenant may do something to a resource of another, by the delegation that is handed over. Pure: who
 * calls has read the delegation and knows the time.
 */
export function decideCrossTenant(request: CrossTenantRequest): EngineDecision {
  const circumstances = crossTenantCircumstances(request);
  if (!circumstances) return deny('principal: only people reach into another tenant');
  if (!actions.includes(request.access)) return deny('access: read or manage');
  compiled ??= compilePolicies(readPolicySet(crossTenantPolicies), actions);
  if (!compiled) throw new TypeError('the shipped policies have a construct that is not compiled');
  return compiled(circumstances);
}

/** The request in the words of the schema; undefined unless a person asks. */
export function crossTenantCircumstances(request: CrossTenantRequest): Circumstances | undefined {
  const { resource, access, delegation } = request;
  const principal = userOf(request.principal);
  if (!principal) return undefined;
  const context: readonly (readonly [string, Value | undefined])[] = [
    ['operation', request.operation],
    ['permissions', new ValueSet(request.permissions)],
    ['tenant_role', request.tenantRole],
    ['actor', request.actor],
    ['delegate', delegation && userOf(delegation.delegate)],
    ['delegated_tenant', delegation?.tenantId],
    ['delegation_scope', delegation && new ValueSet(delegation.scope)],
    ['delegation_active', delegation?.active],
  ];
  const attributes: readonly (readonly [string, Value | undefined])[] = [
    ['kind', resource.type],
    ['tenant', resource.tenantId],
  ];
  return {
    principal,
    action: new EntityRef('Action', access),
    resource: new EntityRef('Resource', `${resource.type}/${resource.id}`),
    resourceAttributes: present(attributes),
    context: present(context),
  };
}

function userOf(uri: string): EntityRef | undefined {
  const id = uri.slice('user:'.length);
  return uri.startsWith('user:') && id !== '' ? new EntityRef('User', id) : undefined;
}

function present(members: readonly (readonly [string, Value | undefined])[]): ReadonlyMap<string, Value> {
  return new Map(members.filter((member): member is readonly [string, Value] => member[1] !== undefined));
}
