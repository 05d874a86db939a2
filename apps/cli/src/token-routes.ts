import { buildCommand, buildRouteMap } from '@stricli/core';
import type { ExchangeFlags } from './commands/token/exchange.ts';
import type { InspectFlags } from './commands/token/inspect.ts';
import type { MintFlags } from './commands/token/mint.ts';
import type { VerifyTokenFlags } from './commands/token/verify.ts';
import type { CliContext } from './context.ts';
import { json, optionalText, text, yes } from './flags.ts';

const scope = optionalText('scope values, with spaces between', 'SCOPE');
const tokenFile = text('file that holds the token; - for standard input', 'FILE');

export const tokenRoutes = buildRouteMap({
  routes: {
    mint: buildCommand<MintFlags, [], CliContext>({
      loader: () => import('./commands/token/mint.ts'),
      parameters: {
        flags: {
          json,
          agent: optionalText('for this agent on this host', 'ID'),
          host: yes('for this host itself'),
          aud: optionalText('service that the token is for', 'URL'),
          scope,
        },
      },
      docs: { brief: 'get a token: for an agent, for this host, or for you' },
    }),
    exchange: buildCommand<ExchangeFlags, [], CliContext>({
      loader: () => import('./commands/token/exchange.ts'),
      parameters: {
        flags: {
          json,
          subjectTokenFile: text("file that holds the person's token; - for standard input", 'FILE'),
          agent: text('agent that acts', 'ID'),
          aud: text('service that the token is for', 'URL'),
          scope,
        },
      },
      docs: { brief: 'exchange a person’s token for one that also carries the agent and this host' },
    }),
    inspect: buildCommand<InspectFlags, [], CliContext>({
      loader: () => import('./commands/token/inspect.ts'),
      parameters: {
        flags: {
          json,
          tokenFile: optionalText('file that holds the token; - for standard input', 'FILE'),
          jti: optionalText('id of the token, instead of the token', 'ID'),
          offline: yes('only what the token says of itself: asks nobody, proves nothing'),
        },
      },
      docs: { brief: 'explain a token: its chain, what it hangs on, what would end it, and what has' },
    }),
    verify: buildCommand<VerifyTokenFlags, [], CliContext>({
      loader: () => import('./commands/token/verify.ts'),
      parameters: {
        flags: {
          json,
          issuer: text('issuer that must have signed it', 'URL'),
          aud: text('audience that it must name', 'URL'),
          tokenFile,
        },
      },
      docs: { brief: 'verify a token by the issuer’s keys' },
    }),
  },
  docs: { brief: 'access tokens' },
});
