import { type JsonObject, toJson } from '@bufbuild/protobuf';
import { Refusal } from '@mono-auth/core/errors';
import { CheckResponseSchema, PolicyService } from '@mono-auth/proto/monoauth/policy/v1/policy';
import type { CliContext } from '../../context.ts';
import { readJsonObject } from '../../input.ts';
import { type OutputFlags, print } from '../../output.ts';
import { withClient } from '../../rpc.ts';

export interface CheckFlags extends OutputFlags {
  readonly contextFile?: string;
}

export default async function checkPolicy(
  this: CliContext,
  flags: CheckFlags,
  principal: string,
  action: string,
  resource: string,
): Promise<void> {
  const slash = resource.indexOf('/');
  if (slash < 1 || slash === resource.length - 1) {
    throw new Refusal('invalid_request', 'RESOURCE: type and id with a slash between, as in order/17');
  }
  const request = {
    principal,
    action,
    resourceType: resource.slice(0, slash),
    resourceId: resource.slice(slash + 1),
    ...(flags.contextFile !== undefined && { context: (await readJsonObject(this, flags.contextFile)) as JsonObject }),
  };
  const decision = await withClient(this, PolicyService, (client) => client.check(request));
  print(this, flags, toJson(CheckResponseSchema, decision, { alwaysEmitImplicit: true }), [
    decision.allowed ? 'allowed' : 'denied',
    `decision  ${decision.decisionId}`,
    `version   ${decision.policyVersion}`,
    `because   ${decision.reasons.join(' ') || 'nothing permits it'}`,
  ]);
  if (!decision.allowed) throw new Refusal('denied', 'by policy');
}
