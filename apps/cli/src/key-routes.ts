import { buildCommand, buildRouteMap } from '@stricli/core';
import type { RotateFlags } from './commands/key/rotate.ts';
import type { CliContext } from './context.ts';
import { json, text, yes } from './flags.ts';
import type { OutputFlags } from './output.ts';

export const keyRoutes = buildRouteMap({
  routes: {
    rotate: buildCommand<RotateFlags, [], CliContext>({
      loader: () => import('./commands/key/rotate.ts'),
      parameters: {
        flags: {
          json,
          purpose: {
            kind: 'enum',
            values: ['token', 'feed', 'invite', 'join', 'log'] as const,
            brief: 'what the key signs',
            default: 'token',
          },
          alg: {
            kind: 'enum',
            values: ['ES256', 'RS256', 'EdDSA'] as const,
            brief: 'every algorithm unless one is named',
            optional: true,
          },
          compromised: yes('somebody else may hold it: end it at once, with every token and session'),
          reason: text('one sentence for the record', 'TEXT'),
        },
      },
      docs: { brief: 'give the tenant a new signing key' },
    }),
    list: buildCommand<OutputFlags, [], CliContext>({
      loader: () => import('./commands/key/list.ts'),
      parameters: { flags: { json } },
      docs: { brief: 'list signing keys, newest first, with their stages' },
    }),
  },
  docs: { brief: 'signing keys of the tenant' },
});
