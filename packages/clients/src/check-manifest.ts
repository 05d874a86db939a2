import { Refusal } from '@mono-auth/core/errors';
import type { Call } from '@mono-auth/core/principal';
import { issuerOf } from '@mono-auth/core/tenant-slug';
import type { TenantTx } from '@mono-auth/database';
import { readSecurityPolicy, type SecurityPolicy } from '@mono-auth/tenants';
import type { Manifest } from './manifest.ts';
import type { ManifestSubject } from './read-manifest.ts';
import { selectLivingResource, selectResource } from './store/resources.ts';

/**
 * What the tenant has to say about a manifest: its ceilings, and the resources that there are. Asked when it is proposed and
 * again when it is approved; the ceilings a third time at each mint.
 * @throws Refusal `invalid_client_metadata`, `invalid_scope` or `invalid_target` naming the field.
 */
export async function checkManifest(
  tx: TenantTx,
  call: Call,
  { kind, environment }: ManifestSubject,
  manifest: Manifest,
  baseUrl: string,
): Promise<void> {
  checkCeilings(manifest, await readSecurityPolicy(tx));
  const ownRpc = `${issuerOf(baseUrl, call.caller.tenantSlug)}/rpc`;
  for (const audience of manifest.audiences) {
    if (audience === ownRpc) {
      if (environment === 'production') continue;
      throw new Refusal('invalid_target', 'audiences: the management API belongs to production clients');
    }
    await checkAudience(tx, { kind, environment }, audience);
  }
}

function checkCeilings(manifest: Manifest, policy: SecurityPolicy): void {
  const scope = manifest.scopes.find((value) => policy.scopes.length > 0 && !policy.scopes.includes(value));
  if (scope !== undefined) throw new Refusal('invalid_scope', `scopes: ${scope} is above the ceiling of the tenant`);
  const grant = manifest.grantTypes.find((value) => policy.grantTypes.length > 0 && !policy.grantTypes.includes(value));
  if (grant !== undefined) throw metadata(`grant_types: ${grant} is not served in this tenant`);
  const lives = [
    ['access_token_ttl_seconds', manifest.accessTokenTtlSeconds, policy.accessTokenTtlSecondsMax],
    ['refresh_token_ttl_seconds', manifest.refreshTokenTtlSeconds, policy.refreshTokenTtlSecondsMax],
  ] as const;
  for (const [field, seconds, max] of lives) {
    if (seconds > max) throw metadata(`${field}: at most ${max} seconds in this tenant`);
  }
}

/**
 * An app's audience is a living resource of its environment: people consent to what exists. Machines and services may name one
 * that is not registered, because invites carry audiences before the service exists, and services meet each other; once it is
 * registered, its environment counts for them too.
 */
async function checkAudience(tx: TenantTx, { kind, environment }: ManifestSubject, audience: string): Promise<void> {
  const resource = await selectResource(tx, audience);
  if (resource && resource.environment !== environment) {
    throw new Refusal('invalid_target', `audiences: ${audience} belongs to ${resource.environment}`);
  }
  if (kind === 'app' && !(await selectLivingResource(tx, audience))) {
    throw new Refusal('invalid_target', `audiences: ${audience} is no living resource of the tenant`);
  }
}

function metadata(detail: string): Refusal {
  return new Refusal('invalid_client_metadata', detail);
}
