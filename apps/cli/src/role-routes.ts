import { buildCommand, buildRouteMap } from '@stricli/core';
import type { RegisterProductFlags } from './commands/product/products.ts';
import type { AssignRoleFlags, ListRolesFlags } from './commands/role/roles.ts';
import type { CliContext } from './context.ts';
import { id, json, optionalText, parseSeconds, parseVersion, text } from './flags.ts';
import type { OutputFlags } from './output.ts';

const products = () => import('./commands/product/products.ts');
const roles = () => import('./commands/role/roles.ts');

export const productRoutes = buildRouteMap({
  routes: {
    register: buildCommand<RegisterProductFlags, [], CliContext>({
      loader: async () => (await products()).registerProduct,
      parameters: {
        flags: {
          json,
          file: text('file with name, roles and resources in JSON; - for standard input', 'FILE'),
          version: {
            kind: 'parsed',
            parse: parseVersion,
            brief: 'the version that it replaces; without it, it is registered for the first time',
            placeholder: 'N',
            optional: true,
          },
        },
      },
      docs: { brief: 'say which roles a product has, what each permits, and which resources are its own' },
    }),
    ls: buildCommand<OutputFlags, [], CliContext>({
      loader: async () => (await products()).listProducts,
      parameters: { flags: { json } },
      docs: { brief: 'list products by name' },
    }),
    show: buildCommand<OutputFlags, [string], CliContext>({
      loader: async () => (await products()).showProduct,
      parameters: { flags: { json }, positional: { kind: 'tuple', parameters: [id('the product', 'NAME')] } },
      docs: { brief: 'show one product with its roles' },
    }),
  },
  aliases: { list: 'ls', get: 'show' },
  docs: { brief: 'products, with the roles that they register' },
});

export const roleRoutes = buildRouteMap({
  routes: {
    assign: buildCommand<AssignRoleFlags, [string], CliContext>({
      loader: async () => (await roles()).assignRole,
      parameters: {
        flags: {
          json,
          product: text('the product', 'NAME'),
          role: text('one of its roles', 'NAME'),
          resource: optionalText('the one thing that it is for; default: everything', 'NAME'),
          ttl: {
            kind: 'parsed',
            parse: parseSeconds,
            brief: 'seconds until it ends; without it, it stays until it is removed',
            placeholder: 'SECONDS',
            optional: true,
          },
        },
        positional: {
          kind: 'tuple',
          parameters: [id('user:usr_…, agent:agt_…, client:cli_… or service:cli_…', 'PRINCIPAL')],
        },
      },
      docs: { brief: 'give somebody a role in a product' },
    }),
    remove: buildCommand<OutputFlags, [string], CliContext>({
      loader: async () => (await roles()).removeRole,
      parameters: { flags: { json }, positional: { kind: 'tuple', parameters: [id('the assignment', 'ID')] } },
      docs: { brief: 'take a role away, with every token that tells of it' },
    }),
    ls: buildCommand<ListRolesFlags, [], CliContext>({
      loader: async () => (await roles()).listRoles,
      parameters: {
        flags: {
          json,
          product: optionalText('of this product alone', 'NAME'),
          principal: optionalText('of this principal alone', 'PRINCIPAL'),
        },
      },
      docs: { brief: 'list who has which role, newest first' },
    }),
  },
  aliases: { list: 'ls' },
  docs: { brief: 'roles that people, agents and clients have in products' },
});
