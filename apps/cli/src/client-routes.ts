import { buildCommand, buildRouteMap } from '@stricli/core';
import { budgetCommand } from './budget-routes.ts';
import { environments } from './client-answer.ts';
import type { CreateClientFlags } from './commands/client/create.ts';
import type { ReasonFlags } from './commands/client/life.ts';
import type { ApproveFlags, SubmitFlags, UpdateFlags } from './commands/client/review.ts';
import type { RotateFlags } from './commands/client/secret.ts';
import type { CreateResourceFlags, UpdateResourceFlags } from './commands/resource/resources.ts';
import type { CliContext } from './context.ts';
import { id, json, optionalText, parseSeconds, parseVersion, text, yes } from './flags.ts';
import type { OutputFlags } from './output.ts';

const reason = text('one sentence for the record', 'TEXT');
const scope = optionalText('scope values, with spaces between', 'SCOPE');
const owner = optionalText('the member who answers for it; default: you', 'ID');
const product = optionalText('the product that it belongs to', 'NAME');
const submit = yes('ask for its approval as well');
const environment = {
  kind: 'enum',
  values: environments,
  brief: 'it works in this one alone; default: production',
  optional: true,
} as const;
const version = {
  kind: 'parsed',
  parse: parseVersion,
  brief: 'the version that the change is based on',
  placeholder: 'N',
} as const;
const seconds = (brief: string) =>
  ({ kind: 'parsed', parse: parseSeconds, brief, placeholder: 'SECONDS', optional: true }) as const;
const secretPlace = {
  secretOut: optionalText('new file for the secret, which is shown once', 'FILE'),
  showSecret: yes('the secret in the document of --json instead'),
} as const;
const ofClient = { kind: 'tuple', parameters: [id('the client', 'ID')] } as const;
const ofResource = { kind: 'tuple', parameters: [id('its identifier, an absolute URI', 'URL')] } as const;
const life = () => import('./commands/client/life.ts');
const review = () => import('./commands/client/review.ts');
const secrets = () => import('./commands/client/secret.ts');
const resources = () => import('./commands/resource/resources.ts');

const secretRoutes = buildRouteMap({
  routes: {
    rotate: buildCommand<RotateFlags, [string], CliContext>({
      loader: async () => (await secrets()).rotateSecret,
      parameters: {
        flags: {
          json,
          ...secretPlace,
          overlap: seconds('how long the secret before lives on; default: a day'),
          ttl: seconds('until the new one expires; default: as long as the tenant allows'),
        },
        positional: ofClient,
      },
      docs: { brief: 'make a new secret beside the present one' },
    }),
    retire: buildCommand<OutputFlags, [string, string], CliContext>({
      loader: async () => (await secrets()).retireSecret,
      parameters: {
        flags: { json },
        positional: { kind: 'tuple', parameters: [id('the client', 'ID'), id('its secret', 'SECRET')] },
      },
      docs: { brief: 'end one secret at once' },
    }),
  },
  docs: { brief: 'secrets of a client' },
});

export const clientRoutes = buildRouteMap({
  routes: {
    budget: budgetCommand,
    create: buildCommand<CreateClientFlags, [], CliContext>({
      loader: () => import('./commands/client/create.ts'),
      parameters: {
        flags: {
          json,
          ...secretPlace,
          name: text('unique in the tenant', 'NAME'),
          kind: {
            kind: 'enum',
            values: ['machine', 'service', 'app'] as const,
            brief: 'a workload, a resource server that verifies tokens, or what people sign in to',
          },
          scope,
          aud: optionalText('audiences that it may ask tokens for, with spaces between', 'URLS'),
          resource: optionalText('the resource that a service is', 'URL'),
          jwksFile: optionalText('file that holds its public JWK set; - for standard input', 'FILE'),
          manifestFile: optionalText('file that holds its manifest instead, JSON; - for standard input', 'FILE'),
          ...{ environment, product, owner, submit },
          approve: yes('approve it at once, which needs clients:approve'),
        },
      },
      docs: { brief: 'draft an OAuth client' },
    }),
    submit: buildCommand<SubmitFlags, [string], CliContext>({
      loader: async () => (await review()).submitClient,
      parameters: {
        flags: { json, hash: optionalText('of what is proposed; default: whatever is', 'HASH') },
        positional: ofClient,
      },
      docs: { brief: 'ask for the approval of what is proposed' },
    }),
    approve: buildCommand<ApproveFlags, [string], CliContext>({
      loader: async () => (await review()).approveClient,
      parameters: {
        flags: { json, hash: text('of the manifest that you have looked at', 'HASH') },
        positional: ofClient,
      },
      docs: { brief: 'put exactly this manifest in force' },
    }),
    reject: buildCommand<ReasonFlags, [string], CliContext>({
      loader: async () => (await review()).rejectClient,
      parameters: { flags: { json, reason }, positional: ofClient },
      docs: { brief: 'send what was submitted back' },
    }),
    update: buildCommand<UpdateFlags, [string], CliContext>({
      loader: async () => (await review()).updateClient,
      parameters: {
        flags: {
          ...{ json, version, owner, submit },
          manifestFile: text('file that holds the whole manifest as it should be, JSON; - for standard input', 'FILE'),
        },
        positional: ofClient,
      },
      docs: { brief: 'change the manifest: what narrows holds at once, what widens is proposed' },
    }),
    ls: buildCommand<OutputFlags, [], CliContext>({
      loader: () => import('./commands/client/ls.ts'),
      parameters: { flags: { json } },
      docs: { brief: 'list clients, newest first' },
    }),
    show: buildCommand<OutputFlags, [string], CliContext>({
      loader: async () => (await life()).showClient,
      parameters: { flags: { json }, positional: ofClient },
      docs: { brief: 'show one client with its hashes' },
    }),
    suspend: buildCommand<ReasonFlags, [string], CliContext>({
      loader: async () => (await life()).suspendClient,
      parameters: { flags: { json, reason }, positional: ofClient },
      docs: { brief: 'issue nothing to it, and revoke what it holds' },
    }),
    resume: buildCommand<OutputFlags, [string], CliContext>({
      loader: async () => (await life()).resumeClient,
      parameters: { flags: { json }, positional: ofClient },
      docs: { brief: 'end a suspension' },
    }),
    retire: buildCommand<ReasonFlags, [string], CliContext>({
      loader: async () => (await life()).retireClient,
      parameters: { flags: { json, reason }, positional: ofClient },
      docs: { brief: 'end it for good' },
    }),
    secret: secretRoutes,
  },
  aliases: { list: 'ls', get: 'show' },
  docs: { brief: 'OAuth clients' },
});

const changeable = {
  json,
  name: text('name for people', 'NAME'),
  scope: optionalText('scope values that exist there, with spaces between', 'SCOPE'),
  ttl: seconds('longest life of a token for it'),
  dpop: yes('only tokens that are bound to a key'),
  default: yes('the audience of a token for which nobody names one'),
} as const;

export const resourceRoutes = buildRouteMap({
  routes: {
    create: buildCommand<CreateResourceFlags, [string], CliContext>({
      loader: async () => (await resources()).createResource,
      parameters: { flags: { ...changeable, environment, product }, positional: ofResource },
      docs: { brief: 'register an API that tokens can be made for' },
    }),
    ls: buildCommand<OutputFlags, [], CliContext>({
      loader: async () => (await resources()).listResources,
      parameters: { flags: { json } },
      docs: { brief: 'list resources by identifier' },
    }),
    show: buildCommand<OutputFlags, [string], CliContext>({
      loader: async () => (await resources()).showResource,
      parameters: { flags: { json }, positional: ofResource },
      docs: { brief: 'show one resource' },
    }),
    update: buildCommand<UpdateResourceFlags, [string], CliContext>({
      loader: async () => (await resources()).updateResource,
      parameters: { flags: { ...changeable, version }, positional: ofResource },
      docs: { brief: 'change what is issued for it from now on' },
    }),
    retire: buildCommand<OutputFlags, [string], CliContext>({
      loader: async () => (await resources()).retireResource,
      parameters: { flags: { json }, positional: ofResource },
      docs: { brief: 'issue nothing for it any more' },
    }),
  },
  aliases: { list: 'ls', get: 'show' },
  docs: { brief: 'APIs that tokens are made for' },
});
