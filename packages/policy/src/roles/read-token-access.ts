import { Refusal } from '@mono-auth/core/errors';
import type { GrantId } from '@mono-auth/core/ids';
import type { Actor, Principal } from '@mono-auth/core/principal';
import { actorChain } from '@mono-auth/core/token-claims';
import type { TenantTx } from '@mono-auth/database';
import { selectHeldRoles } from '../store/assignments.ts';
import { type AudienceProduct, selectProductOf } from '../store/products.ts';
import { type Access, accessBy, intersectAccess } from './access.ts';
import { canHoldRoles, isInForce, type RoleAssignment, unboundActing } from './role-assignment.ts';

/** What a token for a product's audience tells of it, and what that hangs on. */
export interface TokenAccess {
  readonly product: string;
  readonly access: Access;
  /** The token dies with any of them. */
  readonly handles: readonly GrantId[];
  /** When the first of the assignments ends; undefined: none does by itself. */
  readonly endsAtMs: number | undefined;
}

/** Assignments and editions that one token hangs on: 1.6 KiB of it. A full chain in which three hold all they may. */
const handlesMax = 48;

const nothing: Access = { roles: new Set(), permissions: new Set(), onResources: new Map() };

/**
 * What the subject may do in the product that the audience belongs to, and never more than any of those who act may do there:
 * an actor that the product has given roles, now or ever, is bounded by them. One that it has never looked at acts with what
 * the subject has, within scope and consent; its first role ends such tokens.
 * @returns undefined for an audience of no product: one remembered look-up.
 * @throws Refusal `denied` when the token would hang on too much.
 */
export async function readTokenAccess(
  tx: TenantTx,
  token: { readonly audience: string; readonly subject: Principal; readonly act?: Actor },
  nowMs: number,
): Promise<TokenAccess | undefined> {
  const product = await selectProductOf(tx, token.audience);
  if (!product) return undefined;
  const own = await readHeld(tx, product, token.subject, nowMs);
  // Nothing can be taken away from nothing, and whoever acts for nobody's roles has none.
  if (own.inForce.length === 0) return { product: product.name, access: nothing, handles: [], endsAtMs: undefined };
  let access = own.access;
  const assignments = [...own.inForce];
  const handles: GrantId[] = [product.edition];
  for (const actor of actorChain(token.act).filter(canHoldRoles)) {
    const held = await readHeld(tx, product, actor, nowMs);
    if (held.known) access = intersectAccess(access, held.access);
    else handles.push(unboundActing(product.edition, actor));
    assignments.push(...held.inForce);
  }
  handles.push(...assignments.map(({ id }) => id));
  if (handles.length > handlesMax) {
    throw new Refusal(
      'denied',
      `more than ${handlesMax} roles in ${product.name} stand behind this token: remove some`,
    );
  }
  const ends = assignments.map(({ expiresAtMs }) => expiresAtMs).filter((endsAtMs) => endsAtMs !== undefined);
  return { product: product.name, access, handles, endsAtMs: ends.length > 0 ? Math.min(...ends) : undefined };
}

interface Held {
  readonly access: Access;
  readonly inForce: readonly RoleAssignment[];
  readonly known: boolean;
}

async function readHeld(tx: TenantTx, product: AudienceProduct, principal: Principal, nowMs: number): Promise<Held> {
  if (!canHoldRoles(principal)) return { access: nothing, inForce: [], known: false };
  const { assignments, known } = await selectHeldRoles(tx, product.name, principal);
  const inForce = assignments.filter((assignment) => isInForce(assignment, nowMs));
  return { access: accessBy(inForce, product.permissionsOf), inForce, known };
}
