import { toJson } from '@bufbuild/protobuf';
import { ProvisionTenantResponseSchema, TenantService } from '@mono-auth/proto/monoauth/tenants/v1/tenants';
import type { CliContext } from '../../context.ts';
import { readSecret } from '../../input.ts';
import { type OutputFlags, print } from '../../output.ts';
import { withClient } from '../../rpc.ts';

export interface CreateTenantFlags extends OutputFlags {
  readonly slug: string;
  readonly name: string;
  readonly ownerEmail: string;
  readonly ownerPasswordFile: string;
}

export default async function createTenant(this: CliContext, flags: CreateTenantFlags): Promise<void> {
  const { slug, name, ownerEmail } = flags;
  const ownerPassword = await readSecret(this, flags.ownerPasswordFile);
  const idempotencyKey = this.runtime.uuid();
  const provisioned = await withClient(this, TenantService, (client) =>
    client.provisionTenant({ slug, displayName: name, ownerEmail, ownerPassword, idempotencyKey }),
  );
  print(this, flags, toJson(ProvisionTenantResponseSchema, provisioned), [
    `tenant  ${provisioned.tenant?.slug}  ${provisioned.tenant?.id}`,
    `issuer  ${provisioned.tenant?.issuer}`,
    ...provisioned.steps.map(({ step, durationMs }) => `        ${step} ${durationMs.toFixed(0)} ms`),
  ]);
}
