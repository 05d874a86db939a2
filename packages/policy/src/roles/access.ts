import { Refusal } from '@mono-auth/core/errors';
import type { AccessTokenClaims } from '@mono-auth/core/token-claims';

/** What somebody may do in one product. */
export interface Access {
  /** Roles that count everywhere in it. */
  readonly roles: ReadonlySet<string>;
  /** Everywhere in it. */
  readonly permissions: ReadonlySet<string>;
  /** Besides, on single things of it, by its own names of them. */
  readonly onResources: ReadonlyMap<string, ReadonlySet<string>>;
}

type AccessClaims = Pick<AccessTokenClaims, 'roles' | 'permissions' | 'resource_permissions'>;

/**
 * Longest claims of roles, bytes of JSON: 2.7 KiB in a token, which with every other claim at its own limit stays below the
 * 8 KiB that is read at all (`tokenBytesMax`), and below what servers take as one header.
 */
export const accessClaimBytesMax = 2_048;

/** An assignment as far as access goes; no resource: everywhere. */
interface Held {
  readonly role: string;
  readonly resource: string;
}

/** What the assignments of one holder come to, by what their roles grant now. A role that is there no more grants nothing. */
export function accessBy(held: readonly Held[], permissionsOf: ReadonlyMap<string, readonly string[]>): Access {
  const roles = new Set<string>();
  const permissions = new Set<string>();
  const onResources = new Map<string, Set<string>>();
  for (const { role, resource } of held) {
    const granted = permissionsOf.get(role);
    if (!granted) continue;
    if (resource === '') roles.add(role);
    const place = resource === '' ? permissions : (onResources.get(resource) ?? new Set());
    if (resource !== '') onResources.set(resource, place);
    for (const permission of granted) place.add(permission);
  }
  return trimmed({ roles, permissions, onResources });
}

/** What both hold: never more than either, anywhere (law 6). */
export function intersectAccess(a: Access, b: Access): Access {
  const permissions = both(a.permissions, b.permissions);
  const onResources = new Map<string, Set<string>>();
  for (const resource of new Set([...a.onResources.keys(), ...b.onResources.keys()])) {
    onResources.set(resource, both(permissionsOn(a, resource), permissionsOn(b, resource)));
  }
  return trimmed({ roles: both(a.roles, b.roles), permissions, onResources });
}

/** All that is held on one thing, what is held everywhere included. */
function permissionsOn({ permissions, onResources }: Access, resource: string): Set<string> {
  return new Set([...permissions, ...(onResources.get(resource) ?? [])]);
}

function both(a: ReadonlySet<string>, b: ReadonlySet<string>): Set<string> {
  return new Set([...a].filter((value) => b.has(value)));
}

/** What is held everywhere is not told again of single things. */
function trimmed({ roles, permissions, onResources }: Access): Access {
  const besides = [...onResources].map(([resource, held]) => {
    const more = [...held].filter((permission) => !permissions.has(permission));
    return [resource, new Set(more)] as const;
  });
  return { roles, permissions, onResources: new Map(besides.filter(([, held]) => held.size > 0)) };
}

/**
 * The claims of a token for the product. `roles` and `permissions` name it also where nothing is held, so that a token made
 * from this one is bounded by it.
 * @throws Refusal `denied` when they would be too long: a part of them would be another access than the one that was given.
 */
export function claimsOfAccess(product: string, access: Access): AccessClaims {
  if (accessClaimBytes(product, access) > accessClaimBytesMax) {
    const why = `take more than ${accessClaimBytesMax} bytes of a token: remove some`;
    throw new Refusal('denied', `the roles that this token would tell of in ${product} ${why}`);
  }
  return toClaims(product, access);
}

/** Bytes that the claims take, before they are encoded. */
export function accessClaimBytes(product: string, access: Access): number {
  return JSON.stringify(toClaims(product, access)).length;
}

function toClaims(product: string, { roles, permissions, onResources }: Access): AccessClaims {
  const sorted = (values: ReadonlySet<string>) => [...values].sort();
  const things = [...onResources].sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    roles: { [product]: sorted(roles) },
    permissions: { [product]: sorted(permissions) },
    // By entries: whatever a product calls its things is a member of its own, never the object's prototype.
    ...(things.length > 0 && {
      resource_permissions: { [product]: Object.fromEntries(things.map(([thing, held]) => [thing, sorted(held)])) },
    }),
  };
}

/** What a verified token holds in the product; undefined for one that says nothing of it. */
export function accessInClaims(claims: AccessClaims, product: string): Access | undefined {
  const { roles = {}, permissions = {}, resource_permissions = {} } = claims;
  if (!Object.hasOwn(permissions, product)) return undefined;
  const onResources = Object.hasOwn(resource_permissions, product) ? resource_permissions[product] : undefined;
  return {
    roles: new Set(Object.hasOwn(roles, product) ? roles[product] : []),
    permissions: new Set(permissions[product]),
    onResources: new Map(Object.entries(onResources ?? {}).map(([thing, held]) => [thing, new Set(held)])),
  };
}
