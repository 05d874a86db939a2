import { append } from '@mono-auth/audit';
import type { Call } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import { lockDefault, selectDefaultResource, updateResourceRow } from '../store/resources.ts';
import type { Resource } from './resource.ts';

/** Makes room for a default of its environment: the one before is an ordinary resource from now on. */
export async function takeDefault(tx: TenantTx, call: Call, resource: Resource): Promise<void> {
  await lockDefault(tx, resource.environment);
  const before = await selectDefaultResource(tx, resource.environment);
  if (!before || before.identifier === resource.identifier) return;
  await updateResourceRow(tx, { ...before, isDefault: false, version: before.version + 1 });
  await append(tx, call, {
    type: 'resource.updated',
    object: { kind: 'resource', id: before.identifier },
    detail: { version: before.version + 1, default: false },
  });
}
