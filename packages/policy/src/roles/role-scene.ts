import { type GrantId, newId, type TenantId } from '@mono-auth/core/ids';
import { type Actor, type Call, callerWithoutToken, type Principal } from '@mono-auth/core/principal';
import type { Runtime } from '@mono-auth/core/runtime';
import type { Database, TenantTx } from '@mono-auth/database';
import type { NewEntry } from '@mono-auth/feed';
import { selectAssignments } from '../store/assignments.ts';
import { type AssignRoleInput, assignRole } from './assign-role.ts';
import { readTokenAccess } from './read-token-access.ts';
import { type RegisterProductInput, registerProduct } from './register-product.ts';
import { removeRole } from './remove-role.ts';
import type { RoleAssignment } from './role-assignment.ts';
import type { ClaimedResource } from './role-deps.ts';

/** Tenants with a product: what the tests of this folder stand on. */
export interface RoleScene {
  /** A tenant with the resources `docsAudience` and `otherAudience`. */
  openPlace(): Promise<Place>;
  /** The same, and the product `docs` is registered with two roles. */
  openRegistered(): Promise<Place>;
  /** What the work puts into the feed: kind, kind of target, id. */
  fed(work: () => Promise<unknown>): Promise<string[][]>;
  /** Nobody of this name is there. */
  readonly strangers: Set<Principal>;
}

export interface Place {
  readonly tenantId: TenantId;
  run<T>(work: (tx: TenantTx, call: Call) => Promise<T>): Promise<T>;
  addResource(identifier: string, claimed?: Partial<ClaimedResource>): Promise<void>;
  register(input?: Partial<RegisterProductInput>): ReturnType<typeof registerProduct>;
  assign(input: Partial<AssignRoleInput>): Promise<RoleAssignment>;
  remove(id: GrantId): Promise<RoleAssignment>;
  /** What a token for `docsAudience` would tell of. */
  access(subject: Principal, ...actors: Principal[]): Promise<Told | undefined>;
  living(): Promise<RoleAssignment[]>;
}

interface Told {
  readonly roles: string[];
  readonly permissions: string[];
  readonly on: Record<string, string[]>;
  readonly handles: readonly GrantId[];
  readonly endsAtMs: number | undefined;
}

export const viewer = { name: 'viewer', description: 'reads', permissions: ['doc:read'] };
export const editor = { name: 'editor', description: '', permissions: ['doc:write', 'doc:read'] };
export const docsAudience = 'https://docs.test';
export const otherAudience = 'https://other.test';

interface SceneGround {
  readonly database: Database;
  readonly runtime: Runtime;
  createTenantRow(slug: string): Promise<TenantId>;
  insertResource(tenant: { readonly id: TenantId }, identifier: string): Promise<void>;
}

export function roleScene(ground: SceneGround): RoleScene {
  const appended: NewEntry[] = [];
  const strangers = new Set<Principal>();
  const resources = new Map<string, ClaimedResource>();
  const deps = {
    feed: {
      async append(_tx: TenantTx, entries: readonly NewEntry[]) {
        appended.push(...entries);
        return appended.length;
      },
    },
    findResource: async (tx: TenantTx, identifier: string) => resources.get(`${tx.tenantId} ${identifier}`),
    isPrincipal: async (_tx: TenantTx, principal: Principal) => !strangers.has(principal),
  };
  let places = 0;
  const openPlace = async () => {
    const place = placeIn(ground, deps, await ground.createTenantRow(`place-${++places}`), resources);
    for (const identifier of [docsAudience, otherAudience]) await place.addResource(identifier);
    return place;
  };
  return {
    openPlace,
    strangers,
    async openRegistered() {
      const place = await openPlace();
      await place.register();
      return place;
    },
    async fed(work) {
      const before = appended.length;
      await work();
      return appended.slice(before).map(({ kind, payload }) => {
        const { target } = payload as { target: { kind: string; id: string } };
        return [kind, target.kind, target.id];
      });
    },
  };
}

function placeIn(
  { database, runtime, insertResource }: SceneGround,
  deps: Parameters<typeof registerProduct>[0] & Parameters<typeof assignRole>[0],
  tenantId: TenantId,
  resources: Map<string, ClaimedResource>,
): Place {
  const caller = callerWithoutToken({
    ...{ principal: `user:${newId(runtime, 'usr')}` as const, requestId: newId(runtime, 'req'), ip: '' },
    tenant: { id: tenantId, slug: 'place' },
  });
  const call = { runtime, caller };
  const run: Place['run'] = (work) => database.forTenant(tenantId, (tx) => work(tx, call));
  return {
    ...{ tenantId, run },
    async addResource(identifier, claimed = {}) {
      await insertResource({ id: tenantId }, identifier);
      resources.set(`${tenantId} ${identifier}`, { product: '', retired: false, ...claimed });
    },
    register(input = {}) {
      const docs = { name: 'docs', displayName: '', roles: [viewer, editor], resources: [docsAudience] };
      const whole = { ...docs, basedOn: 0, idempotencyKey: undefined, ...input };
      return run((tx) => registerProduct(deps, tx, call, whole));
    },
    assign(input) {
      const usual = { product: 'docs', role: 'viewer', principal: '', resource: '' };
      const whole = { ...usual, expiresAtMs: undefined, idempotencyKey: undefined, ...input };
      return run((tx) => assignRole(deps, tx, call, whole));
    },
    remove: (id) => run((tx) => removeRole(deps, tx, call, id)),
    async access(subject, ...actors) {
      const act = actors.reduceRight<Actor | undefined>((act, sub) => ({ sub, ...(act && { act }) }), undefined);
      const token = { audience: docsAudience, subject, ...(act && { act }) };
      const told = await run((tx) => readTokenAccess(tx, token, runtime.nowMs()));
      if (!told) return undefined;
      const { access, handles, endsAtMs } = told;
      const on = Object.fromEntries([...access.onResources].map(([thing, held]) => [thing, [...held].sort()]));
      return { roles: [...access.roles].sort(), permissions: [...access.permissions].sort(), on, handles, endsAtMs };
    },
    async living() {
      const everybody = { product: undefined, principal: undefined };
      const all = await run((tx) => selectAssignments(tx, everybody, { after: undefined, limit: 100 }));
      return all.filter(({ endedAtMs }) => endedAtMs === undefined);
    },
  };
}

export function many(count: number, name: string): string[] {
  return Array.from({ length: count }, (_, i) => `${name}${i}`);
}

/** How an attempt ended: the reason of its refusal, or `granted`. */
export function reasonOf(attempt: Promise<unknown>): Promise<string> {
  return attempt.then(
    () => 'granted',
    (error) => error.reason ?? error.name,
  );
}
