import { toJson } from '@bufbuild/protobuf';
import {
  AssertionPurpose,
  FederationService,
  IssuerStatus,
  type TrustedIssuer,
  TrustedIssuerSchema,
  TrustIssuerRequestSchema,
  UpdateIssuerRequestSchema,
} from '@mono-auth/proto/monoauth/federation/v1/federation';
import { requireAnswer } from '../../client-answer.ts';
import type { CliContext } from '../../context.ts';
import { type OutputFlags, print, table, wordOf } from '../../output.ts';
import { collectPages, withClient } from '../../rpc.ts';
import { type DocumentFlags, type ReasonedFlags, readRequest } from './flags.ts';

export async function trustIssuer(this: CliContext, flags: DocumentFlags): Promise<void> {
  const request = await readRequest(this, TrustIssuerRequestSchema, flags.file);
  // A repetition of the command makes no second one: the name is taken then.
  request.idempotencyKey ||= this.runtime.uuid();
  printIssuer(this, flags, (await withClient(this, FederationService, (rpc) => rpc.trustIssuer(request))).issuer);
}

/** The document is the whole of what the issuer should be trusted for; it names the version that it is based on. */
export async function updateIssuer(this: CliContext, flags: DocumentFlags, id: string): Promise<void> {
  const request = await readRequest(this, UpdateIssuerRequestSchema, flags.file);
  request.id = id;
  printIssuer(this, flags, (await withClient(this, FederationService, (rpc) => rpc.updateIssuer(request))).issuer);
}

export async function suspendIssuer(this: CliContext, flags: ReasonedFlags, id: string): Promise<void> {
  const request = { id, reason: flags.reason ?? '' };
  printIssuer(this, flags, (await withClient(this, FederationService, (rpc) => rpc.suspendIssuer(request))).issuer);
}

export async function resumeIssuer(this: CliContext, flags: OutputFlags, id: string): Promise<void> {
  printIssuer(this, flags, (await withClient(this, FederationService, (rpc) => rpc.resumeIssuer({ id }))).issuer);
}

export async function removeIssuer(this: CliContext, flags: ReasonedFlags, id: string): Promise<void> {
  const request = { id, reason: flags.reason ?? '' };
  printIssuer(this, flags, (await withClient(this, FederationService, (rpc) => rpc.removeIssuer(request))).issuer);
}

export async function listIssuers(this: CliContext, flags: OutputFlags): Promise<void> {
  const issuers = await withClient(this, FederationService, (rpc) =>
    collectPages(async (pageToken) => {
      const { issuers: items, nextPageToken } = await rpc.listIssuers({ pageToken });
      return { items, nextPageToken };
    }),
  );
  const rows = issuers.map((issuer) => [issuer.id, issuer.issuer, purposesOf(issuer), statusOf(issuer)]);
  const document = { issuers: issuers.map((issuer) => toJson(TrustedIssuerSchema, issuer)) };
  print(this, flags, document, table(['ID', 'ISSUER', 'FOR', 'STATUS'], rows));
}

function printIssuer(context: CliContext, flags: OutputFlags, answered: TrustedIssuer | undefined): void {
  const issuer = requireAnswer(answered, 'issuer');
  print(context, flags, { issuer: toJson(TrustedIssuerSchema, issuer) }, [
    `trust      ${issuer.id}`,
    `issuer     ${issuer.issuer}`,
    `status     ${statusOf(issuer)}`,
    `version    ${issuer.version}`,
    `for        ${purposesOf(issuer)}`,
    `scope      ${issuer.scopes.join(' ')}`,
    `audiences  ${issuer.audiences.join(' ')}`,
  ]);
}

const statusOf = ({ status }: TrustedIssuer) => wordOf(IssuerStatus, status, 'ISSUER_STATUS_');
const purposesOf = ({ purposes }: TrustedIssuer) =>
  purposes.map((purpose) => wordOf(AssertionPurpose, purpose, 'ASSERTION_PURPOSE_')).join(' ');
