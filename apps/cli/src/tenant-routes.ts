import { buildChoiceParser, buildCommand, buildRouteMap } from '@stricli/core';
import type { ExportFlags } from './commands/audit/export.ts';
import type { VerifyBundleFlags } from './commands/audit/verify.ts';
import type { CheckFlags } from './commands/policy/check.ts';
import type { RevokeFlags, RevokeKind } from './commands/revoke.ts';
import type { CreateTenantFlags } from './commands/tenant/create.ts';
import type { SetPolicyFlags } from './commands/tenant/policy.ts';
import type { CliContext } from './context.ts';
import { id, json, optionalText, text, yes } from './flags.ts';
import type { OutputFlags } from './output.ts';

const securityPolicyRoutes = buildRouteMap({
  routes: {
    show: buildCommand<OutputFlags, [], CliContext>({
      loader: async () => (await import('./commands/tenant/policy.ts')).showPolicy,
      parameters: { flags: { json } },
      docs: { brief: 'show the ceilings over every client and grant' },
    }),
    set: buildCommand<SetPolicyFlags, [], CliContext>({
      loader: async () => (await import('./commands/tenant/policy.ts')).setPolicy,
      parameters: {
        flags: { json, policyFile: text('file that holds what changes, JSON; - for standard input', 'FILE') },
      },
      docs: { brief: 'set ceilings; what is lowered holds from the next token on' },
    }),
  },
  docs: { brief: 'the security policy of your tenant' },
});

export const tenantRoutes = buildRouteMap({
  routes: {
    create: buildCommand<CreateTenantFlags, [], CliContext>({
      loader: () => import('./commands/tenant/create.ts'),
      parameters: {
        flags: {
          json,
          slug: text('name in its issuer; never changes', 'SLUG'),
          name: text('name for people', 'NAME'),
          ownerEmail: text('its first owner', 'EMAIL'),
          ownerPasswordFile: text('file that holds the owner’s password; - for standard input', 'FILE'),
        },
      },
      docs: { brief: 'make a tenant ready for use (platform operators)' },
    }),
    ls: buildCommand<OutputFlags, [], CliContext>({
      loader: () => import('./commands/tenant/ls.ts'),
      parameters: { flags: { json } },
      docs: { brief: 'list tenants, newest first (platform operators)' },
    }),
    policy: securityPolicyRoutes,
  },
  docs: { brief: 'tenants of the installation' },
});

export const revokeCommand = buildCommand<RevokeFlags, [RevokeKind, string], CliContext>({
  loader: () => import('./commands/revoke.ts'),
  parameters: {
    flags: {
      json,
      reason: text('one sentence for the record', 'TEXT'),
      wait: yes('until every subscriber enforces it, 25 seconds at most'),
    },
    positional: {
      kind: 'tuple',
      parameters: [
        {
          parse: buildChoiceParser<RevokeKind>([
            'token',
            'session',
            'host',
            'agent',
            'client',
            'user',
            'grant',
            'tenant',
          ]),
          brief: 'token, session, host or tenant',
          placeholder: 'KIND',
        },
        id('what to revoke; for a tenant its id or slug', 'ID'),
      ],
    },
  },
  docs: { brief: 'take access away, and see who enforces it' },
});

export const policyRoutes = buildRouteMap({
  routes: {
    check: buildCommand<CheckFlags, [string, string, string], CliContext>({
      loader: () => import('./commands/policy/check.ts'),
      parameters: {
        flags: { json, contextFile: optionalText('file that holds the context, JSON; - for standard input', 'FILE') },
        positional: {
          kind: 'tuple',
          parameters: [
            id('who, as in user:usr_…', 'PRINCIPAL'),
            id('what, as in orders:read', 'ACTION'),
            id('on what, as in order/17', 'RESOURCE'),
          ],
        },
      },
      docs: { brief: 'ask for one decision' },
    }),
  },
  docs: { brief: 'the policy of the tenant' },
});

export const auditRoutes = buildRouteMap({
  routes: {
    export: buildCommand<ExportFlags, [], CliContext>({
      loader: () => import('./commands/audit/export.ts'),
      parameters: { flags: { json, out: text('new file for the bundle', 'FILE') } },
      docs: { brief: 'write the sealed log as a bundle' },
    }),
    verify: buildCommand<VerifyBundleFlags, [], CliContext>({
      loader: () => import('./commands/audit/verify.ts'),
      parameters: {
        flags: {
          json,
          bundle: text('the bundle', 'FILE'),
          vkey: text('verifier key of the log, or a file that holds it', 'KEY'),
        },
      },
      docs: { brief: 'verify a bundle; offline, needs no server' },
    }),
  },
  docs: { brief: 'the evidence' },
});
