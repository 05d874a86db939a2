import { buildCommand, buildRouteMap } from '@stricli/core';
import { budgetCommand } from './budget-routes.ts';
import type { AllowAgentFlags } from './commands/agent/allow.ts';
import type { CreateAgentFlags } from './commands/agent/create.ts';
import type { ListAgentsFlags } from './commands/agent/ls.ts';
import type { CreateInviteFlags } from './commands/invite/create.ts';
import type { CliContext } from './context.ts';
import { id, json, optionalText, parseSeconds, text } from './flags.ts';
import type { OutputFlags } from './output.ts';

export const inviteRoutes = buildRouteMap({
  routes: {
    create: buildCommand<CreateInviteFlags, [], CliContext>({
      loader: () => import('./commands/invite/create.ts'),
      parameters: {
        flags: {
          json,
          hostName: text('name that the host will bear', 'NAME'),
          ttl: {
            kind: 'parsed',
            parse: parseSeconds,
            brief: 'seconds until the invite ends; 24 hours by default',
            placeholder: 'SECONDS',
            optional: true,
          },
          scope: optionalText("scope values of the host's client, with spaces between", 'SCOPE'),
          aud: optionalText("audiences of the host's client, with spaces between", 'URLS'),
          out: optionalText('write the invite to a new file that only you can read', 'FILE'),
        },
      },
      docs: { brief: 'make an invite that enrols one host, once' },
    }),
    ls: buildCommand<OutputFlags, [], CliContext>({
      loader: () => import('./commands/invite/ls.ts'),
      parameters: { flags: { json } },
      docs: { brief: 'list invites, newest first' },
    }),
    revoke: buildCommand<OutputFlags, [string], CliContext>({
      loader: () => import('./commands/invite/revoke.ts'),
      parameters: {
        flags: { json },
        positional: { kind: 'tuple', parameters: [id('invite', 'ID')] },
      },
      docs: { brief: 'end an invite that was not redeemed' },
    }),
  },
  docs: { brief: 'invites for hosts' },
});

export const hostRoutes = buildRouteMap({
  routes: {
    ls: buildCommand<OutputFlags, [], CliContext>({
      loader: () => import('./commands/host/ls.ts'),
      parameters: { flags: { json } },
      docs: { brief: 'list hosts, newest first' },
    }),
    get: buildCommand<OutputFlags, [string], CliContext>({
      loader: () => import('./commands/host/get.ts'),
      parameters: {
        flags: { json },
        positional: { kind: 'tuple', parameters: [id('host', 'ID')] },
      },
      docs: { brief: 'show one host' },
    }),
    budget: budgetCommand,
  },
  docs: { brief: 'enrolled machines' },
});

export const agentRoutes = buildRouteMap({
  routes: {
    create: buildCommand<CreateAgentFlags, [], CliContext>({
      loader: () => import('./commands/agent/create.ts'),
      parameters: {
        flags: {
          json,
          host: text('host that it runs on', 'ID'),
          name: text('unique on that host', 'NAME'),
          owner: optionalText('person who answers for it; you by default', 'ID'),
          scope: optionalText('scope values that its tokens may carry, with spaces between', 'SCOPE'),
        },
      },
      docs: { brief: 'register an agent on a host' },
    }),
    ls: buildCommand<ListAgentsFlags, [], CliContext>({
      loader: () => import('./commands/agent/ls.ts'),
      parameters: { flags: { json, host: optionalText('only agents of this host', 'ID') } },
      docs: { brief: 'list agents, newest first' },
    }),
    allow: buildCommand<AllowAgentFlags, [string], CliContext>({
      loader: () => import('./commands/agent/allow.ts'),
      parameters: {
        flags: {
          json,
          scope: text('scope values that it may use for you, with spaces between', 'SCOPE'),
          aud: optionalText('what it may reach for you, with spaces between; all that its host may by default', 'URLS'),
          ttl: {
            kind: 'parsed',
            parse: parseSeconds,
            brief: 'seconds until it ends, 180 days at most',
            placeholder: 'SECONDS',
          },
        },
        positional: { kind: 'tuple', parameters: [id('agent', 'ID')] },
      },
      docs: { brief: 'let an agent act for you' },
    }),
    disallow: buildCommand<OutputFlags, [string], CliContext>({
      loader: () => import('./commands/agent/disallow.ts'),
      parameters: {
        flags: { json },
        positional: { kind: 'tuple', parameters: [id('what `allow` has answered, gra_…', 'CONSENT')] },
      },
      docs: { brief: 'end that, and every token that was made by it' },
    }),
    budget: budgetCommand,
  },
  docs: { brief: 'agents on hosts' },
});
