import { fromJson, type JsonObject, type JsonValue, toJson } from '@bufbuild/protobuf';
import { Refusal } from '@mono-auth/core/errors';
import { type SecurityPolicy, SecurityPolicySchema, TenantService } from '@mono-auth/proto/monoauth/tenants/v1/tenants';
import { requireAnswer } from '../../client-answer.ts';
import type { CliContext } from '../../context.ts';
import { readJsonObject } from '../../input.ts';
import { type OutputFlags, print } from '../../output.ts';
import { withClient } from '../../rpc.ts';

export interface SetPolicyFlags extends OutputFlags {
  readonly policyFile: string;
}

interface Answered {
  readonly policy?: SecurityPolicy | undefined;
  readonly version: bigint;
}

export async function showPolicy(this: CliContext, flags: OutputFlags): Promise<void> {
  printPolicy(this, flags, await withClient(this, TenantService, (service) => service.getSecurityPolicy({})));
}

/** What the file leaves out stays as it is; somebody else's change in between is refused, not overwritten. */
export async function setPolicy(this: CliContext, flags: SetPolicyFlags): Promise<void> {
  const change = await readJsonObject(this, flags.policyFile);
  const answer = await withClient(this, TenantService, async (service) => {
    const { policy, version } = await service.getSecurityPolicy({});
    return service.updateSecurityPolicy({ policy: merged(requireAnswer(policy, 'policy'), change), version });
  });
  printPolicy(this, flags, answer);
}

function merged(policy: SecurityPolicy, change: Record<string, unknown>): SecurityPolicy {
  const before = toJson(SecurityPolicySchema, policy) as JsonObject;
  try {
    return fromJson(SecurityPolicySchema, { ...before, ...change } as JsonValue);
  } catch (cause) {
    throw new Refusal('invalid_request', 'policy-file: not a security policy in the JSON form of the contract', {
      cause,
    });
  }
}

function printPolicy(context: CliContext, flags: OutputFlags, { policy, version }: Answered): void {
  const document = toJson(SecurityPolicySchema, requireAnswer(policy, 'policy'), { alwaysEmitImplicit: true });
  const lines = Object.entries(document as JsonObject).map(([name, value]) => `${name} ${JSON.stringify(value)}`);
  print(context, flags, { policy: document, version: String(version) }, [...lines, `version ${version}`]);
}
