import { type GrantId, idFromUuid, uuidOf } from '@mono-auth/core/ids';
import type { KeyedRequest } from '@mono-auth/core/request-digest';
import type { TenantTx } from '@mono-auth/database';
import type { Product, ProductRole } from '../roles/product.ts';

interface ProductRow {
  name: string;
  display_name: string;
  roles: ProductRole[];
  version: string;
  edition: string;
  created_at: Date;
  updated_at: Date;
  resources: string[];
}

function productOf(row: ProductRow): Product {
  return {
    name: row.name,
    displayName: row.display_name,
    roles: row.roles,
    resources: row.resources,
    version: Number(row.version),
    edition: idFromUuid('gra', row.edition),
    createdAtMs: row.created_at.getTime(),
    updatedAtMs: row.updated_at.getTime(),
  };
}

/** Makes those who register products for the first time wait for each other until the transaction ends. */
export async function lockProducts(tx: TenantTx): Promise<void> {
  await tx.sql<{ locked: string }>`
    select pg_advisory_xact_lock(hashtextextended(${`products|${tx.tenantId}`}, 0))::text as locked`;
}

export async function countProducts(tx: TenantTx): Promise<number> {
  const rows = await tx.sql<{ products: number }>`
    select count(*)::int as products from mono.products where tenant_id = ${uuidOf(tx.tenantId)}`;
  return rows[0]?.products ?? 0;
}

/** Answers false when the name or the idempotency key is taken. Its resources are written by `replaceResources`. */
export async function insertProduct(
  tx: TenantTx,
  product: Product,
  request: KeyedRequest | undefined,
): Promise<boolean> {
  const rows = await tx.sql<{ name: string }>`
    insert into mono.products (tenant_id, name, display_name, roles, version, edition, created_at, updated_at,
      idempotency_key, request_digest)
    values (${uuidOf(tx.tenantId)}, ${product.name}, ${product.displayName}, ${JSON.stringify(product.roles)}::jsonb,
      ${product.version}, ${uuidOf(product.edition)}, ${new Date(product.createdAtMs)},
      ${new Date(product.updatedAtMs)}, ${request?.key}, ${request?.digest})
    on conflict do nothing
    returning name`;
  return rows.length === 1;
}

/** Writes what can change. The row is locked. */
export async function updateProduct(tx: TenantTx, product: Product): Promise<void> {
  await tx.sql`
    update mono.products set display_name = ${product.displayName}, roles = ${JSON.stringify(product.roles)}::jsonb,
      version = ${product.version}, edition = ${uuidOf(product.edition)}, updated_at = ${new Date(product.updatedAtMs)}
    where tenant_id = ${uuidOf(tx.tenantId)} and name = ${product.name}`;
}

/** Makes these the product's resources. @returns those that another product has; then the transaction has to fail. */
export async function replaceResources(
  tx: TenantTx,
  { name, resources }: Pick<Product, 'name' | 'resources'>,
): Promise<string[]> {
  await tx.sql`
    delete from mono.product_resources
    where tenant_id = ${uuidOf(tx.tenantId)} and product = ${name} and not identifier = any(${[...resources]}::text[])`;
  await tx.sql`
    insert into mono.product_resources (tenant_id, identifier, product)
    select ${uuidOf(tx.tenantId)}, identifier, ${name} from unnest(${[...resources]}::text[]) as identifier
    on conflict do nothing`;
  const others = await tx.sql<{ identifier: string }>`
    select identifier from mono.product_resources
    where tenant_id = ${uuidOf(tx.tenantId)} and identifier = any(${[...resources]}::text[]) and product <> ${name}
    order by identifier`;
  return others.map(({ identifier }) => identifier);
}

export async function selectProduct(tx: TenantTx, name: string): Promise<Product | undefined> {
  const rows = await tx.sql<ProductRow>`
    select name, display_name, roles, version, edition, created_at, updated_at, array(
      select identifier from mono.product_resources as owned
      where owned.tenant_id = product.tenant_id and owned.product = product.name order by identifier collate "C") as resources
    from mono.products as product where tenant_id = ${uuidOf(tx.tenantId)} and name = ${name}`;
  return rows[0] && productOf(rows[0]);
}

/** The same, and nobody registers it anew or gives a role in it until the transaction ends. */
export async function lockProduct(tx: TenantTx, name: string): Promise<Product | undefined> {
  const rows = await tx.sql<{ name: string }>`
    select name from mono.products where tenant_id = ${uuidOf(tx.tenantId)} and name = ${name} for update`;
  return rows.length === 0 ? undefined : selectProduct(tx, name);
}

/** With the digest of the request that made it. */
export async function selectProductByIdempotencyKey(
  tx: TenantTx,
  key: string,
): Promise<{ name: string; requestDigest: Uint8Array | null } | undefined> {
  const [row] = await tx.sql<{ name: string; request_digest: Uint8Array | null }>`
    select name, request_digest from mono.products
    where tenant_id = ${uuidOf(tx.tenantId)} and idempotency_key = ${key}`;
  return row && { name: row.name, requestDigest: row.request_digest };
}

/** By name, after the one `after` when it is given. */
export async function selectProducts(tx: TenantTx, after: string | undefined, limit: number): Promise<Product[]> {
  const rows = await tx.sql<ProductRow>`
    select name, display_name, roles, version, edition, created_at, updated_at, array(
      select identifier from mono.product_resources as owned
      where owned.tenant_id = product.tenant_id and owned.product = product.name order by identifier collate "C") as resources
    from mono.products as product
    where tenant_id = ${uuidOf(tx.tenantId)} and (${after}::text is null or name > ${after}::text)
    order by name limit ${limit}`;
  return rows.map(productOf);
}

/** A product as a token tells of it. */
export interface AudienceProduct {
  readonly name: string;
  readonly edition: GrantId;
  readonly permissionsOf: ReadonlyMap<string, readonly string[]>;
}

/** Whose audience it is; undefined where it belongs to no product. */
export function selectProductOf(tx: TenantTx, audience: string): Promise<AudienceProduct | undefined> {
  return tx.remembered(`product of ${audience}`, async () => {
    const [row] = await tx.sql<Pick<ProductRow, 'name' | 'edition' | 'roles'>>`
      select product.name, product.edition, product.roles
      from mono.product_resources as owned
        join mono.products as product on product.tenant_id = owned.tenant_id and product.name = owned.product
      where owned.tenant_id = ${uuidOf(tx.tenantId)} and owned.identifier = ${audience}`;
    if (!row) return undefined;
    const permissionsOf = new Map(row.roles.map(({ name, permissions }) => [name, permissions]));
    return { name: row.name, edition: idFromUuid('gra', row.edition), permissionsOf };
  });
}
