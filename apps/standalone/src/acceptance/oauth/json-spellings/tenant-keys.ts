import type { TenantId } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import { platformSlug } from '@mono-auth/core/tenant-slug';
import { createLocalKms, type Keyring, openKeyring } from '@mono-auth/keys';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import type { OAuthScene, SceneDatabase } from '../oauth-scene.ts';
import { type Draft, draftOf } from './spellings.ts';

/** The signing keys of a tenant: only with them can anybody make a token of ours in another spelling. */
export async function openTenantKeys(
  { database }: SceneDatabase,
  { installation, ownerToken }: OAuthScene,
  kek: Uint8Array,
): Promise<{ tenantId: TenantId; keys: Keyring }> {
  const keys = openKeyring({
    ...{ database, runtime: systemRuntime, kms: createLocalKms(kek) },
    platformIssuer: installation.baseUrl,
    rootTenant: async () => (await installation.controlPlane.tenants.bySlug(platformSlug))?.id as TenantId,
  });
  return { keys, tenantId: decodeJwt<{ tenant_id: TenantId }>(ownerToken).tenant_id };
}

/** What a token says, to be signed anew. */
export function draftOfToken(token: string, more: object = {}): Draft {
  return draftOf(decodeProtectedHeader(token), { ...decodeJwt(token), ...more });
}
