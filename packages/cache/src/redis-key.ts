import { createHash } from 'node:crypto';
import type { TenantId } from '@mono-auth/core/ids';

/**
 * `<kind>:{<tenant>}:<SHA-256>`: the kind for people who look, the tenant in braces so that a cluster keeps all of it on one
 * node (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags), and the whole digest: a key may
 * be a secret, and a shortened digest could collide on purpose.
 */
export function redisKey(kind: string, tenantId: TenantId, key: string): string {
  return `${kind}:{${tenantId}}:${createHash('sha256').update(key, 'utf8').digest('hex')}`;
}

/** A key of the installation itself, of which there is one for each kind. */
export function installationKey(kind: string): string {
  return `${kind}:{platform}:${createHash('sha256').update(kind, 'utf8').digest('hex')}`;
}
