import { idFromUuid, newId, type TenantId } from '@mono-auth/core/ids';
import type { Principal } from '@mono-auth/core/principal';
import { systemRuntime } from '@mono-auth/core/runtime';
import type { AccessTokenClaims } from '@mono-auth/core/token-claims';
import { accessRules, type TokenAccess } from '@mono-auth/policy';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { AccessRequest } from './product-access.ts';
import { deriveClaims, type MintingGround } from './rules.ts';

const now = 1_800_000_000;
const ground: MintingGround = {
  issuer: 'https://id.test/t/acme',
  tenantId: idFromUuid('ten', '01890000-0000-7000-8000-000000000001') as TenantId,
  epoch: 1,
  fs: 1,
};
const person: Principal = `user:${newId(systemRuntime, 'usr')}`;
const actors = Array.from({ length: 4 }, (): Principal => `agent:${newId(systemRuntime, 'agt')}`);
const permissionsOf = new Map([
  ['viewer', ['read']],
  ['editor', ['read', 'write']],
  ['owner', ['read', 'write', 'delete']],
]);
const things = ['a', 'b'];
const permissions = ['read', 'write', 'delete'];

const access = fc
  .array(fc.record({ role: fc.constantFrom(...permissionsOf.keys()), resource: fc.constantFrom('', ...things) }), {
    maxLength: 4,
  })
  .map((held) => accessRules.accessBy(held, permissionsOf));
/** Each exchange of a chain: what everybody holds at that time, and the product of its audience. */
const step = fc.record({ product: fc.constantFrom('docs', 'billing', undefined), access });
const chain = fc.array(step, { minLength: 2, maxLength: 4 });

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** A token for the product, by the minter's rules. */
function mintOf({ product, access }: Step, parents: readonly AccessTokenClaims[]): AccessTokenClaims {
  const productAccess: TokenAccess | undefined =
    product === undefined ? undefined : { product, access, handles: [], endsAtMs: undefined };
  const [parent] = parents;
  const sub = actors[parents[0]?.pjti ? parents[0].pjti.length + 1 : 0] as Principal;
  const request: AccessRequest = {
    ...{
      subject: person,
      clientId: 'cli',
      audience: `https://${product ?? 'none'}.test`,
      scope: ['s'],
      ttlSeconds: 60,
    },
    ...(parent && { parents, act: { sub, ...(parent.act && { act: parent.act }) } }),
    ...(productAccess && { productAccess }),
  };
  return deriveClaims(ground, request, newId(systemRuntime, 'tok'), now);
}

/** As a product asks them. */
function may(
  { permissions = {}, resource_permissions = {} }: AccessTokenClaims,
  product: string,
  asked: string,
  on: string,
) {
  return (
    (permissions[product]?.includes(asked) ?? false) || (resource_permissions[product]?.[on]?.includes(asked) ?? false)
  );
}

const everywhere = 'a thing that nobody names';
const questions = permissions.flatMap((asked) => [...things, everywhere].map((on) => [asked, on] as const));

test('in no product does a token permit more than those who stand behind it hold, nor than any ancestor that speaks of it', () => {
  let bounded = 0;
  fc.assert(
    fc.property(chain, (steps) => {
      const minted: AccessTokenClaims[] = [];
      for (const step of steps) {
        const ancestors = [...minted];
        const claims = mintOf(step, minted.slice(-1));
        minted.push(claims);
        expect(Object.keys(claims.permissions ?? {})).toEqual(step.product === undefined ? [] : [step.product]);
        if (step.product === undefined) continue;
        const { product } = step;
        const own = accessRules.claimsOfAccess(product, step.access) as AccessTokenClaims;
        const parent = ancestors.at(-1);
        for (const [asked, on] of questions) {
          const allowed =
            may(own, product, asked, on) && (!parent?.permissions?.[product] || may(parent, product, asked, on));
          expect(may(claims, product, asked, on)).toBe(allowed);
          if (!allowed && may(own, product, asked, on)) bounded += 1;
        }
        for (const role of claims.roles?.[product] ?? []) {
          expect(step.access.roles).toContain(role);
          if (parent?.roles?.[product]) expect(parent.roles[product]).toContain(role);
        }
      }
    }),
    { numRuns: 1_000 },
  );
  expect(bounded).toBeGreaterThan(100);
});

test('a token for an audience of no product says nothing of roles, whatever its parents say', () => {
  const parent = mintOf(
    { product: 'docs', access: accessRules.accessBy([{ role: 'owner', resource: '' }], permissionsOf) },
    [],
  );
  const claims = mintOf({ product: undefined, access: accessRules.accessBy([], permissionsOf) }, [parent]);
  expect([claims.roles, claims.permissions, claims.resource_permissions]).toEqual([undefined, undefined, undefined]);
});
