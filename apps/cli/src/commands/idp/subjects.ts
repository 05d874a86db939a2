import { toJson } from '@bufbuild/protobuf';
import { Refusal } from '@mono-auth/core/errors';
import {
  type FederatedSubject,
  FederatedSubjectSchema,
  FederationService,
} from '@mono-auth/proto/monoauth/federation/v1/federation';
import { requireAnswer } from '../../client-answer.ts';
import type { CliContext } from '../../context.ts';
import { type OutputFlags, print, table } from '../../output.ts';
import { collectPages, withClient } from '../../rpc.ts';
import type { LinkFlags } from './flags.ts';

export async function linkSubject(this: CliContext, flags: LinkFlags, issuerId: string): Promise<void> {
  const request = {
    ...{ issuerId, subject: flags.subject, subjectTenant: flags.subjectTenant ?? '', principal: principalOf(flags) },
    idempotencyKey: this.runtime.uuid(),
  };
  printSubject(this, flags, (await withClient(this, FederationService, (rpc) => rpc.linkSubject(request))).subject);
}

/** @throws Refusal `invalid_request` unless exactly one is named. */
function principalOf({ user, agent, client }: LinkFlags) {
  const named = [
    { case: 'userId', value: user },
    { case: 'agentId', value: agent },
    { case: 'clientId', value: client },
  ] as const;
  const [one, ...others] = named.filter(({ value }) => value !== undefined);
  if (!one || others.length > 0) throw new Refusal('invalid_request', 'one of --user, --agent and --client');
  return { case: one.case, value: one.value ?? '' };
}

export async function unlinkSubject(this: CliContext, flags: OutputFlags, id: string): Promise<void> {
  printSubject(this, flags, (await withClient(this, FederationService, (rpc) => rpc.unlinkSubject({ id }))).subject);
}

export async function listSubjects(this: CliContext, flags: OutputFlags, issuerId: string): Promise<void> {
  const subjects = await withClient(this, FederationService, (rpc) =>
    collectPages(async (pageToken) => {
      const { subjects: items, nextPageToken } = await rpc.listSubjects({ issuerId, pageToken });
      return { items, nextPageToken };
    }),
  );
  const rows = subjects.map((one) => [one.id, one.subject, one.subjectTenant, one.principal.value ?? '']);
  const document = { subjects: subjects.map((subject) => toJson(FederatedSubjectSchema, subject)) };
  print(this, flags, document, table(['ID', 'SUBJECT', 'TENANT', 'IS'], rows));
}

function printSubject(context: CliContext, flags: OutputFlags, answered: FederatedSubject | undefined): void {
  const subject = requireAnswer(answered, 'subject');
  print(context, flags, { subject: toJson(FederatedSubjectSchema, subject) }, [
    `link     ${subject.id}`,
    `subject  ${subject.subject}`,
    `is       ${subject.principal.value ?? ''}`,
  ]);
}
