import { toJson } from '@bufbuild/protobuf';
import { type Timestamp, timestampMs } from '@bufbuild/protobuf/wkt';
import { KeyPurpose, KeyState, SigningKeySchema, TenantService } from '@mono-auth/proto/monoauth/tenants/v1/tenants';
import type { CliContext } from '../../context.ts';
import { type OutputFlags, print, table, wordOf } from '../../output.ts';
import { collectPages, withClient } from '../../rpc.ts';

export default async function listKeys(this: CliContext, flags: OutputFlags): Promise<void> {
  const keys = await withClient(this, TenantService, (service) =>
    collectPages(async (pageToken) => {
      const { keys: items, nextPageToken } = await service.listSigningKeys({ pageToken });
      return { items, nextPageToken };
    }),
  );
  const rows = keys.map(({ kid, purpose, alg, state, createdAt, dueAt, endedAt }) => [
    kid,
    wordOf(KeyPurpose, purpose, 'KEY_PURPOSE_'),
    alg,
    wordOf(KeyState, state, 'KEY_STATE_'),
    timeOf(createdAt),
    timeOf(dueAt),
    timeOf(endedAt),
  ]);
  const document = { keys: keys.map((key) => toJson(SigningKeySchema, key)) };
  print(this, flags, document, table(['KID', 'PURPOSE', 'ALG', 'STATE', 'CREATED', 'DUE', 'ENDED'], rows));
}

function timeOf(at: Timestamp | undefined): string {
  return at ? new Date(timestampMs(at)).toISOString() : '';
}
