import { toJson } from '@bufbuild/protobuf';
import { TenantSchema, TenantService, TenantStatus } from '@mono-auth/proto/monoauth/tenants/v1/tenants';
import type { CliContext } from '../../context.ts';
import { type OutputFlags, print, table, wordOf } from '../../output.ts';
import { collectPages, withClient } from '../../rpc.ts';

export default async function listTenants(this: CliContext, flags: OutputFlags): Promise<void> {
  const tenants = await withClient(this, TenantService, (client) =>
    collectPages(async (pageToken) => {
      const { tenants: items, nextPageToken } = await client.listTenants({ pageToken });
      return { items, nextPageToken };
    }),
  );
  const rows = tenants.map(({ slug, id, status, issuer }) => [
    slug,
    id,
    wordOf(TenantStatus, status, 'TENANT_STATUS_'),
    issuer,
  ]);
  const document = { tenants: tenants.map((tenant) => toJson(TenantSchema, tenant)) };
  print(this, flags, document, table(['SLUG', 'ID', 'STATUS', 'ISSUER'], rows));
}
