import { decodeJwt } from 'jose';
import type { CliContext } from '../context.ts';
import { type OutputFlags, print } from '../output.ts';
import { requireLogin } from '../rpc.ts';

export default async function whoami(this: CliContext, flags: OutputFlags): Promise<void> {
  const { issuer, token } = await requireLogin(this);
  const { sub = '', tenant_id, tenant_role, scope } = decodeJwt(token) as Record<string, string | undefined>;
  print(this, flags, { issuer, principal: sub, tenant_id, tenant_role, scope: scope?.split(' ') ?? [] }, [
    sub,
    `tenant  ${tenant_id}`,
    `issuer  ${issuer}`,
    ...(tenant_role === undefined ? [] : [`role    ${tenant_role}`]),
    `scope   ${scope ?? ''}`,
  ]);
}
