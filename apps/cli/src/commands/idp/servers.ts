import { toJson } from '@bufbuild/protobuf';
import {
  AssertionProfile,
  FederationService,
  type ResourceServerTrust,
  ResourceServerTrustSchema,
  TrustResourceServerRequestSchema,
} from '@mono-auth/proto/monoauth/federation/v1/federation';
import { requireAnswer } from '../../client-answer.ts';
import type { CliContext } from '../../context.ts';
import { type OutputFlags, print, table, wordOf } from '../../output.ts';
import { collectPages, withClient } from '../../rpc.ts';
import { type DocumentFlags, readRequest } from './flags.ts';

export async function trustServer(this: CliContext, flags: DocumentFlags): Promise<void> {
  const request = await readRequest(this, TrustResourceServerRequestSchema, flags.file);
  request.idempotencyKey ||= this.runtime.uuid();
  const answer = await withClient(this, FederationService, (rpc) => rpc.trustResourceServer(request));
  printServer(this, flags, answer.resourceServer);
}

export async function removeServer(this: CliContext, flags: OutputFlags, id: string): Promise<void> {
  const answer = await withClient(this, FederationService, (rpc) => rpc.removeResourceServer({ id }));
  printServer(this, flags, answer.resourceServer);
}

export async function listServers(this: CliContext, flags: OutputFlags): Promise<void> {
  const servers = await withClient(this, FederationService, (rpc) =>
    collectPages(async (pageToken) => {
      const { resourceServers: items, nextPageToken } = await rpc.listResourceServers({ pageToken });
      return { items, nextPageToken };
    }),
  );
  const rows = servers.map((server) => [server.id, server.issuer, server.clientId, profileOf(server)]);
  const document = { resourceServers: servers.map((server) => toJson(ResourceServerTrustSchema, server)) };
  print(this, flags, document, table(['ID', 'ISSUER', 'CLIENT', 'PROFILE'], rows));
}

function printServer(context: CliContext, flags: OutputFlags, answered: ResourceServerTrust | undefined): void {
  const server = requireAnswer(answered, 'resource server');
  print(context, flags, { resourceServer: toJson(ResourceServerTrustSchema, server) }, [
    `trust      ${server.id}`,
    `issuer     ${server.issuer}`,
    `client     ${server.clientId}, there ${server.remoteClientId}`,
    `profile    ${profileOf(server)}`,
    `resources  ${server.resources.join(' ')}`,
    `scope      ${server.scopes.join(' ')}`,
  ]);
}

const profileOf = ({ profile }: ResourceServerTrust) => wordOf(AssertionProfile, profile, 'ASSERTION_PROFILE_');
