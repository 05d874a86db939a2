import { createHash } from 'node:crypto';
import { Refusal } from '@mono-auth/core/errors';
import { type GrantId, type IdKind, idFromUuid, isId } from '@mono-auth/core/ids';
import type { Principal } from '@mono-auth/core/principal';

/** A role of a product that somebody has. */
export interface RoleAssignment {
  readonly id: GrantId;
  readonly product: string;
  readonly role: string;
  readonly principal: Principal;
  /** The product's own name of the one thing that it is for; empty: everything. */
  readonly resource: string;
  readonly createdAtMs: number;
  readonly createdBy: Principal;
  readonly expiresAtMs: number | undefined;
  readonly endedAtMs: number | undefined;
}

/** Assignments of one principal in one product: each is a handle in its tokens, 33 bytes. */
export const assignmentsMax = 16;

/** Printable ASCII: it stands in claims and is compared byte by byte. */
const resourceName = /^[!-~]{0,200}$/;

/** Who has roles. A host does nothing in a product: its agents do. */
const holders: Readonly<Record<string, IdKind>> = { user: 'usr', agent: 'agt', client: 'cli', service: 'cli' };

/** Whether a principal can have roles at all. */
export function canHoldRoles(principal: Principal): boolean {
  return Object.hasOwn(holders, principal.slice(0, principal.indexOf(':')));
}

/** @throws Refusal `invalid_request`. */
export function readHolder(text: string, field: string): Principal {
  const [kind = '', id, ...rest] = text.split(':');
  const idKind = Object.hasOwn(holders, kind) ? holders[kind] : undefined;
  if (idKind && rest.length === 0 && isId(idKind, id)) return text as Principal;
  throw new Refusal('invalid_request', `${field}: user:usr_…, agent:agt_…, client:cli_… or service:cli_…`);
}

/** @throws Refusal `invalid_request`. */
export function readResourceName(text: string): string {
  if (resourceName.test(text)) return text;
  throw new Refusal('invalid_request', 'resource: at most 200 printable ASCII characters without spaces');
}

/**
 * Whether it stands behind tokens at this time. In whole seconds, as tokens count: one that ends within this second would
 * make tokens that have expired.
 */
export function isInForce({ expiresAtMs }: Pick<RoleAssignment, 'expiresAtMs'>, nowMs: number): boolean {
  return expiresAtMs === undefined || Math.floor(expiresAtMs / 1000) > Math.floor(nowMs / 1000);
}

/**
 * By which tokens die in which somebody acts whom the product had given no role, and who was therefore bounded by none: the
 * first role ends them. Made up of what is known, because nothing is written when a token is made.
 */
export function unboundActing(edition: GrantId, actor: Principal): GrantId {
  const hex = createHash('sha256').update(`${edition} ${actor}`).digest('hex');
  const parts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)];
  return idFromUuid('gra', parts.join('-'));
}
