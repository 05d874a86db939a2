import { Refusal } from '@mono-auth/core/errors';
import type { GrantId } from '@mono-auth/core/ids';
import { accessClaimBytes, accessClaimBytesMax } from './access.ts';

/** A role of one product: the same name in another one is another role. */
export interface ProductRole {
  readonly name: string;
  readonly description: string;
  /** In the product's own words, each once, sorted. */
  readonly permissions: readonly string[];
}

/** A product of the tenant as it registered itself last. */
export interface Product {
  readonly name: string;
  readonly displayName: string;
  /** By name. */
  readonly roles: readonly ProductRole[];
  /** Identifiers of resources, the audiences of its tokens; sorted. */
  readonly resources: readonly string[];
  readonly version: number;
  /** What tokens that tell of its roles die by when a registration takes something away. */
  readonly edition: GrantId;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

/** As the contract has it: a name is a member of claims, and part of what a decision remembers. */
const productName = /^[a-z][a-z0-9-]{0,62}$/;
const roleName = /^[a-z][a-z0-9_.-]{0,62}$/;
/** No asterisk: a permission is compared as it is written, and nothing that looks like a pattern is one. */
const permissionName = /^[a-z][a-z0-9_.:/-]{0,119}$/;
/** More roles than anybody can tell apart. */
const rolesMax = 64;
const permissionsMax = 64;
/** The audiences of one product in all its environments. */
const resourcesMax = 32;

/** @throws Refusal `invalid_request`. */
export function readProductName(name: string, field: string): string {
  if (productName.test(name)) return name;
  throw new Refusal('invalid_request', `${field}: 1 to 63 lower-case letters, digits and hyphens, a letter first`);
}

/**
 * The roles in the form in which they are kept.
 * @throws Refusal `invalid_request` naming the role, also for one so large that no token could tell of it.
 */
export function readRoles(product: string, roles: readonly ProductRole[]): ProductRole[] {
  if (roles.length > rolesMax) throw new Refusal('invalid_request', `roles: at most ${rolesMax}`);
  if (new Set(roles.map(({ name }) => name)).size < roles.length) {
    throw new Refusal('invalid_request', 'roles: two of them have one name');
  }
  const read = roles.map(({ name, description, permissions }) => {
    if (!roleName.test(name)) {
      throw new Refusal('invalid_request', 'roles: a name has 1 to 63 of a-z 0-9 _ . -, a letter first');
    }
    if (!permissions.every((permission) => permissionName.test(permission))) {
      throw new Refusal('invalid_request', `roles: a permission of ${name} is not 1 to 120 of a-z 0-9 _ . : / -`);
    }
    const each = [...new Set(permissions)].sort();
    if (each.length > permissionsMax) {
      throw new Refusal('invalid_request', `roles: ${name} has more than ${permissionsMax} permissions`);
    }
    const alone = { roles: new Set([name]), permissions: new Set(each), onResources: new Map() };
    if (accessClaimBytes(product, alone) > accessClaimBytesMax) {
      const why = `its permissions take more than ${accessClaimBytesMax} bytes of a token`;
      throw new Refusal('invalid_request', `roles: nobody could be given ${name}, ${why}`);
    }
    return { name, description, permissions: each };
  });
  return read.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** @throws Refusal `invalid_request`. @returns each once, sorted. */
export function readResources(resources: readonly string[]): string[] {
  const each = [...new Set(resources)].sort();
  if (each.length > resourcesMax) throw new Refusal('invalid_request', `resources: at most ${resourcesMax}`);
  return each;
}

type Registration = Pick<Product, 'roles' | 'resources'>;

/** Whether somebody, by what is registered after, may do less than by what was registered before. */
export function takesAway(before: Registration, after: Registration): boolean {
  const kept = new Map(after.roles.map(({ name, permissions }) => [name, new Set(permissions)]));
  const lessOfARole = before.roles.some(({ name, permissions }) => {
    const now = kept.get(name);
    return !now || !permissions.every((permission) => now.has(permission));
  });
  return lessOfARole || !before.resources.every((resource) => after.resources.includes(resource));
}

/** Whether both say the same, whenever and however often it was said. */
export function sameRegistration(a: Registration & { displayName: string }, b: typeof a): boolean {
  const said = ({ displayName, roles, resources }: typeof a) => {
    const words = roles.map(({ name, description, permissions }) => [name, description, permissions]);
    return JSON.stringify([displayName, words, resources]);
  };
  return said(a) === said(b);
}
