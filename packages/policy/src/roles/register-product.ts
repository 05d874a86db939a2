import { append } from '@mono-auth/audit';
import { notFound, Refusal } from '@mono-auth/core/errors';
import { newId } from '@mono-auth/core/ids';
import { nameCharsMax } from '@mono-auth/core/limits';
import type { Call } from '@mono-auth/core/principal';
import { checkRepetition, type KeyedRequest, keyedRequest } from '@mono-auth/core/request-digest';
import type { TenantTx } from '@mono-auth/database';
import { endAssignmentsWithoutRole } from '../store/assignments.ts';
import {
  countProducts,
  insertProduct,
  lockProduct,
  lockProducts,
  replaceResources,
  selectProduct,
  selectProductByIdempotencyKey,
  updateProduct,
} from '../store/products.ts';
import { endByFeed } from './end-by-feed.ts';
import {
  type Product,
  type ProductRole,
  readProductName,
  readResources,
  readRoles,
  sameRegistration,
  takesAway,
} from './product.ts';
import type { RoleDeps } from './role-deps.ts';

export interface RegisterProductInput {
  readonly name: string;
  /** Empty: the name. */
  readonly displayName: string;
  readonly roles: readonly ProductRole[];
  readonly resources: readonly string[];
  /** The version that it replaces; 0: none. */
  readonly basedOn: number;
  readonly idempotencyKey: string | undefined;
}

/** More products than one organization runs. */
const productsMax = 200;

/**
 * Registers a product, or registers it anew. A repetition of the last registration changes nothing. What it takes away ends, by
 * the feed and in the same transaction, every token that tells of roles in the product; roles that are there no more end with
 * their assignments. Asks for the feed's head last.
 * @throws Refusal `invalid_request` naming the field; `not_found` for a product or resource that is not there; `already_exists`
 * for a resource of another product; `stale_version` unless `basedOn` is the current version.
 */
export async function registerProduct(
  deps: Pick<RoleDeps, 'feed' | 'findResource'>,
  tx: TenantTx,
  call: Call,
  input: RegisterProductInput,
): Promise<Product> {
  const wanted = readRegistration(input);
  const { basedOn } = input;
  const request = keyedRequest(input.idempotencyKey, {
    ...{ name: wanted.name, displayName: wanted.displayName, basedOn, resources: wanted.resources },
    roles: wanted.roles.map((role) => JSON.stringify([role.name, role.description, role.permissions])),
  });
  const known = await findFirst(tx, request);
  if (known) return known;
  const before = await lockProduct(tx, wanted.name);
  const current = before?.version ?? 0;
  if (before && current === basedOn + 1 && sameRegistration(before, wanted)) return before;
  if (!before && basedOn > 0) throw notFound('product');
  if (current !== basedOn) throw stale(current);
  if (before && request) {
    throw new Refusal(
      'invalid_request',
      'idempotency_key: of a first registration alone, based_on makes this repeatable',
    );
  }
  await requireResources(deps, tx, wanted);
  return before ? replace(deps, tx, call, before, wanted) : create(tx, call, wanted, request);
}

type Registration = Pick<Product, 'name' | 'displayName' | 'roles' | 'resources'>;

function readRegistration(input: RegisterProductInput): Registration {
  const name = readProductName(input.name, 'name');
  const displayName = input.displayName.trim() || name;
  if (displayName.length > nameCharsMax || /[\p{Cc}\p{Cf}\p{Cs}]/u.test(displayName)) {
    throw new Refusal('invalid_request', `display_name: at most ${nameCharsMax} printable characters`);
  }
  return { name, displayName, roles: readRoles(name, input.roles), resources: readResources(input.resources) };
}

/** What the key has made, as it is by now. @throws Refusal `invalid_request` when another registration was asked for. */
async function findFirst(tx: TenantTx, request: KeyedRequest | undefined): Promise<Product | undefined> {
  const first = request && (await selectProductByIdempotencyKey(tx, request.key));
  if (!first) return undefined;
  checkRepetition(request, first.requestDigest, 'product', () => false);
  return selectProduct(tx, first.name);
}

/** A resource says itself which product it is of, or none; nobody claims what is labelled as another one's. */
async function requireResources(
  { findResource }: Pick<RoleDeps, 'findResource'>,
  tx: TenantTx,
  { name, resources }: Registration,
): Promise<void> {
  for (const identifier of resources) {
    const resource = await findResource(tx, identifier);
    if (!resource) throw notFound('resource');
    if (resource.retired) throw new Refusal('invalid_request', `resources: ${identifier} is retired`);
    if (resource.product !== '' && resource.product !== name) {
      throw new Refusal('invalid_request', `resources: ${identifier} is labelled as of product ${resource.product}`);
    }
  }
}

async function create(
  tx: TenantTx,
  call: Call,
  wanted: Registration,
  request: KeyedRequest | undefined,
): Promise<Product> {
  await lockProducts(tx);
  if ((await countProducts(tx)) >= productsMax) {
    // A parallel repetition may have made the last one.
    const first = await findFirst(tx, request);
    if (first) return first;
    throw new Refusal('invalid_request', `name: a tenant has at most ${productsMax} products`);
  }
  const nowMs = call.runtime.nowMs();
  const edition = newId(call.runtime, 'gra');
  const product = { ...wanted, version: 1, edition, createdAtMs: nowMs, updatedAtMs: nowMs };
  if (!(await insertProduct(tx, product, request))) {
    // A parallel one was first; the insert has waited for it.
    const first = await findFirst(tx, request);
    if (first) return first;
    const other = await selectProduct(tx, wanted.name);
    if (other?.version === 1 && sameRegistration(other, wanted)) return other;
    throw stale(other?.version ?? 0);
  }
  await writeResources(tx, product);
  await record(tx, call, product, {});
  return product;
}

async function replace(
  { feed }: Pick<RoleDeps, 'feed'>,
  tx: TenantTx,
  call: Call,
  before: Product,
  wanted: Registration,
): Promise<Product> {
  const nowMs = call.runtime.nowMs();
  const narrowed = takesAway(before, wanted);
  const edition = narrowed ? newId(call.runtime, 'gra') : before.edition;
  const product = { ...before, ...wanted, version: before.version + 1, edition, updatedAtMs: nowMs };
  await updateProduct(tx, product);
  await writeResources(tx, product);
  const roles = wanted.roles.map(({ name }) => name);
  const ended = await endAssignmentsWithoutRole(tx, wanted.name, roles, nowMs);
  const reason = 'the product was registered with less';
  const ending = narrowed ? await endByFeed(feed, tx, call, before.edition, reason) : undefined;
  await record(tx, call, product, { ...(ended > 0 && { assignments_ended: ended }), ...ending });
  return product;
}

async function writeResources(tx: TenantTx, product: Product): Promise<void> {
  const [others] = await replaceResources(tx, product);
  if (others !== undefined) throw new Refusal('already_exists', `resources: ${others} is of another product`);
}

async function record(
  tx: TenantTx,
  call: Call,
  { name, version, roles, resources }: Product,
  detail: Record<string, string | number>,
): Promise<void> {
  await append(tx, call, {
    type: 'product.registered',
    object: { kind: 'product', id: name },
    detail: {
      ...{ version, resources: resources.join(' '), ...detail },
      roles: roles.map((role) => `${role.name}: ${role.permissions.join(' ')}`).join('; '),
    },
  });
}

function stale(current: number): Refusal {
  return new Refusal('stale_version', `based_on: the current version is ${current}`);
}
