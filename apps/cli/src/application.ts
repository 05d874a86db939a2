import { Refusal } from '@mono-auth/core/errors';
import { refusalOf } from '@mono-auth/sdk';
import { buildApplication, buildCommand, buildRouteMap, text_en } from '@stricli/core';
import { clientRoutes, resourceRoutes } from './client-routes.ts';
import type { EnrollFlags } from './commands/enroll.ts';
import type { LoginFlags } from './commands/login.ts';
import type { CliContext } from './context.ts';
import { json, text } from './flags.ts';
import { idpRoutes } from './idp-routes.ts';
import { keyRoutes } from './key-routes.ts';
import { agentRoutes, hostRoutes, inviteRoutes } from './machine-routes.ts';
import { type OutputFlags, printable } from './output.ts';
import { productRoutes, roleRoutes } from './role-routes.ts';
import { auditRoutes, policyRoutes, revokeCommand, tenantRoutes } from './tenant-routes.ts';
import { tokenRoutes } from './token-routes.ts';

const server = text('base URL of the installation', 'URL');

const root = buildRouteMap({
  routes: {
    login: buildCommand<LoginFlags, [], CliContext>({
      loader: () => import('./commands/login.ts'),
      parameters: {
        flags: {
          json,
          server,
          tenant: text('slug of the tenant', 'SLUG'),
          email: text('who signs in', 'EMAIL'),
          passwordFile: text('file that holds the password; - for standard input', 'FILE'),
        },
      },
      docs: { brief: 'sign in, and keep the session for the next commands' },
    }),
    logout: buildCommand<OutputFlags, [], CliContext>({
      loader: () => import('./commands/logout.ts'),
      parameters: { flags: { json } },
      docs: { brief: 'end the session' },
    }),
    whoami: buildCommand<OutputFlags, [], CliContext>({
      loader: () => import('./commands/whoami.ts'),
      parameters: { flags: { json } },
      docs: { brief: 'say who is signed in, and what they may do' },
    }),
    enroll: buildCommand<EnrollFlags, [], CliContext>({
      loader: () => import('./commands/enroll.ts'),
      parameters: {
        flags: { json, server, inviteFile: text('file that holds the invite; - for standard input', 'FILE') },
      },
      docs: { brief: 'enrol this machine with an invite; again is harmless' },
    }),
    tenant: tenantRoutes,
    invite: inviteRoutes,
    host: hostRoutes,
    agent: agentRoutes,
    client: clientRoutes,
    resource: resourceRoutes,
    idp: idpRoutes,
    token: tokenRoutes,
    revoke: revokeCommand,
    key: keyRoutes,
    policy: policyRoutes,
    product: productRoutes,
    role: roleRoutes,
    audit: auditRoutes,
    version: buildCommand<OutputFlags, [], CliContext>({
      loader: () => import('./commands/version.ts'),
      parameters: { flags: { json } },
      docs: { brief: 'print the version' },
    }),
  },
  docs: { brief: 'Mono-Auth: identity for people, machines and agents' },
});

/** One line: the stable reason and what is public about it. Causes and stacks stay inside. */
function lineOf(error: unknown): string {
  const { reason, detail } = asCliRefusal(error);
  return printable(`monoauth: ${reason}: ${detail}`.replaceAll('\n', ' '));
}

/** A file that cannot be read or written is the caller's to repair; anything else unknown is ours. */
function asCliRefusal(error: unknown): Refusal {
  const { code, path } = (error ?? {}) as NodeJS.ErrnoException;
  if (!(error instanceof Refusal) && typeof code === 'string' && typeof path === 'string') {
    return new Refusal('invalid_request', `${path}: ${code}`, { cause: error });
  }
  return refusalOf(error);
}

export const application = buildApplication<CliContext>(root, {
  name: 'monoauth',
  scanner: { caseStyle: 'allow-kebab-for-camel', allowArgumentEscapeSequence: true },
  documentation: { caseStyle: 'convert-camel-to-kebab', disableAnsiColor: true },
  determineExitCode: (error) => asCliRefusal(error).row.exit,
  localization: {
    text: { ...text_en, exceptionWhileRunningCommand: lineOf },
  },
});
