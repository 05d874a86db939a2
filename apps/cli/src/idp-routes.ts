import { buildCommand, buildRouteMap } from '@stricli/core';
import type { DocumentFlags, LinkFlags, ReasonedFlags } from './commands/idp/flags.ts';
import type { CliContext } from './context.ts';
import { id, json, optionalText, text } from './flags.ts';
import type { OutputFlags } from './output.ts';

const ofIssuer = { kind: 'tuple', parameters: [id('the trust in the issuer', 'ID')] } as const;
const ofLink = { kind: 'tuple', parameters: [id('the link', 'ID')] } as const;
const ofServer = { kind: 'tuple', parameters: [id('the trust in the authorization server', 'ID')] } as const;
const file = text('the request in the JSON form of the contract; - for standard input', 'FILE');
const reason = optionalText('one sentence for the record', 'TEXT');
const issuers = () => import('./commands/idp/issuers.ts');
const subjects = () => import('./commands/idp/subjects.ts');
const servers = () => import('./commands/idp/servers.ts');

const serverRoutes = buildRouteMap({
  routes: {
    trust: buildCommand<DocumentFlags, [], CliContext>({
      loader: async () => (await servers()).trustServer,
      parameters: { flags: { json, file } },
      docs: { brief: 'let a client take assertions there' },
    }),
    list: buildCommand<OutputFlags, [], CliContext>({
      loader: async () => (await servers()).listServers,
      parameters: { flags: { json } },
      docs: { brief: 'list where clients may take assertions' },
    }),
    remove: buildCommand<OutputFlags, [string], CliContext>({
      loader: async () => (await servers()).removeServer,
      parameters: { flags: { json }, positional: ofServer },
      docs: { brief: 'make no more assertions for it' },
    }),
  },
  docs: { brief: 'authorization servers of other domains' },
});

/** Trust across domains: whose assertions count here, whom they speak of, and where ours go. */
export const idpRoutes = buildRouteMap({
  routes: {
    trust: buildCommand<DocumentFlags, [], CliContext>({
      loader: async () => (await issuers()).trustIssuer,
      parameters: { flags: { json, file } },
      docs: { brief: 'trust the assertions of an issuer' },
    }),
    list: buildCommand<OutputFlags, [], CliContext>({
      loader: async () => (await issuers()).listIssuers,
      parameters: { flags: { json } },
      docs: { brief: 'list the issuers that are trusted' },
    }),
    update: buildCommand<DocumentFlags, [string], CliContext>({
      loader: async () => (await issuers()).updateIssuer,
      parameters: { flags: { json, file }, positional: ofIssuer },
      docs: { brief: 'replace what it is trusted for; less than before refuses what came of its assertions' },
    }),
    suspend: buildCommand<ReasonedFlags, [string], CliContext>({
      loader: async () => (await issuers()).suspendIssuer,
      parameters: { flags: { json, reason }, positional: ofIssuer },
      docs: { brief: 'take no assertion of it, and refuse what came of them' },
    }),
    resume: buildCommand<OutputFlags, [string], CliContext>({
      loader: async () => (await issuers()).resumeIssuer,
      parameters: { flags: { json }, positional: ofIssuer },
      docs: { brief: 'end its suspension; what was refused stays so' },
    }),
    remove: buildCommand<ReasonedFlags, [string], CliContext>({
      loader: async () => (await issuers()).removeIssuer,
      parameters: { flags: { json, reason }, positional: ofIssuer },
      docs: { brief: 'end the trust for good, with its links' },
    }),
    link: buildCommand<LinkFlags, [string], CliContext>({
      loader: async () => (await subjects()).linkSubject,
      parameters: {
        flags: {
          json,
          subject: text('its name there, the sub of the assertion', 'SUB'),
          subjectTenant: optionalText('its tenant there, where the issuer has several', 'TENANT'),
          user: optionalText('the person that it is', 'ID'),
          agent: optionalText('the agent that it is', 'ID'),
          client: optionalText('the client that it is', 'ID'),
        },
        positional: ofIssuer,
      },
      docs: { brief: 'say whom a subject of the issuer is' },
    }),
    subjects: buildCommand<OutputFlags, [string], CliContext>({
      loader: async () => (await subjects()).listSubjects,
      parameters: { flags: { json }, positional: ofIssuer },
      docs: { brief: 'list whom its subjects are' },
    }),
    unlink: buildCommand<OutputFlags, [string], CliContext>({
      loader: async () => (await subjects()).unlinkSubject,
      parameters: { flags: { json }, positional: ofLink },
      docs: { brief: 'end a link, and refuse what was issued for it' },
    }),
    server: serverRoutes,
  },
  docs: { brief: 'trusted issuers, and authorization servers of other domains' },
});
