import { fromJson, type JsonValue, toJson } from '@bufbuild/protobuf';
import { Refusal } from '@mono-auth/core/errors';
import {
  PolicyService,
  type Product,
  ProductSchema,
  type RegisterProductRequest,
  RegisterProductRequestSchema,
} from '@mono-auth/proto/monoauth/policy/v1/policy';
import { requireAnswer } from '../../client-answer.ts';
import type { CliContext } from '../../context.ts';
import { readJsonObject } from '../../input.ts';
import { type OutputFlags, print, table } from '../../output.ts';
import { collectPages, withClient } from '../../rpc.ts';

export interface RegisterProductFlags extends OutputFlags {
  readonly file: string;
  readonly version?: number;
}

/** For the first time, or on top of the version that is named: a deployment may register it each time. */
export async function registerProduct(this: CliContext, flags: RegisterProductFlags): Promise<void> {
  const request = await readRegistration(this, flags.file);
  const basedOn = BigInt(flags.version ?? 0);
  const { product } = await withClient(this, PolicyService, (service) =>
    service.registerProduct({ ...request, basedOn }),
  );
  printProduct(this, flags, product);
}

export async function showProduct(this: CliContext, flags: OutputFlags, name: string): Promise<void> {
  const { product } = await withClient(this, PolicyService, (service) => service.getProduct({ name }));
  printProduct(this, flags, product);
}

export async function listProducts(this: CliContext, flags: OutputFlags): Promise<void> {
  const products = await withClient(this, PolicyService, (service) =>
    collectPages(async (pageToken) => {
      const { products: items, nextPageToken } = await service.listProducts({ pageToken });
      return { items, nextPageToken };
    }),
  );
  const rows = products.map(({ name, version, roles, resources }) => [
    ...[name, String(version), roles.map((role) => role.name).join(' ')],
    resources.join(' '),
  ]);
  const document = { products: products.map((product) => toJson(ProductSchema, product)) };
  print(this, flags, document, table(['NAME', 'VERSION', 'ROLES', 'RESOURCES'], rows));
}

/** Name, roles and resources in the JSON form of the contract. @throws Refusal `invalid_request`. */
async function readRegistration(context: CliContext, source: string): Promise<RegisterProductRequest> {
  const document = await readJsonObject(context, source);
  try {
    return fromJson(RegisterProductRequestSchema, document as JsonValue);
  } catch (cause) {
    throw new Refusal('invalid_request', 'file: not a registration in the JSON form of the contract', { cause });
  }
}

function printProduct(context: CliContext, flags: OutputFlags, answered: Product | undefined): void {
  const product = requireAnswer(answered, 'product');
  print(context, flags, { product: toJson(ProductSchema, product) }, [
    `product      ${product.name}`,
    `version      ${product.version}`,
    ...product.resources.map((resource) => `resource     ${resource}`),
    ...product.roles.map(({ name, permissions }) => `role         ${name}: ${permissions.join(' ')}`),
  ]);
}
