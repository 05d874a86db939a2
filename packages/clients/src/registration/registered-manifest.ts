import { Refusal } from '@mono-auth/core/errors';
import type { Call } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import { checkManifest } from '../check-manifest.ts';
import type { Client } from '../client.ts';
import type { Manifest } from '../manifest.ts';
import { readManifest } from '../read-manifest.ts';
import type { ClientMetadata } from './client-metadata.ts';
import { registrableScopes } from './registration-scopes.ts';

/** Members as a manifest calls them, and as RFC 7591 §2 and RFC 8705 §2.1.2 do. */
const memberNames: readonly (readonly [RegExp, string])[] = [
  [/^manifest\./, ''],
  [/^scopes\b/, 'scope'],
  [/^auth_method\b/, 'token_endpoint_auth_method'],
  [/^tls_subject_dn\b/, 'tls_client_auth_subject_dn'],
];

/**
 * The manifest that metadata stands for, looked at as every other: the rules of its kind, and what the tenant has to say.
 * @param about the client; what operators have added to the manifest it has is kept.
 * @throws Refusal `invalid_client_metadata` or `invalid_redirect_uri` naming the member.
 */
export async function registeredManifest(
  tx: TenantTx,
  call: Call,
  metadata: ClientMetadata,
  about: Pick<Client, 'kind' | 'environment' | 'manifest' | 'proposed'> & { readonly baseUrl: string },
): Promise<Manifest> {
  const { kind, environment, baseUrl } = about;
  const kept = about.proposed ?? about.manifest ?? { scopes: [], audiences: [] };
  return inRegistrationTerms(async () => {
    const granted = await registrableScopes(tx, { kind, environment, scopes: metadata.scopes, kept });
    const input = { ...metadata.manifest, ...granted, ...limitsOf(about) };
    const manifest = readManifest(input, { kind, environment }, '');
    await checkManifest(tx, call, { kind, environment }, manifest, baseUrl);
    return manifest;
  });
}

/** Lifetimes are the operators' to choose: metadata has no word for them. */
function limitsOf({ proposed, manifest }: Pick<Client, 'manifest' | 'proposed'>) {
  const { accessTokenTtlSeconds = 0, refreshTokenTtlSeconds = 0 } = proposed ?? manifest ?? {};
  return { accessTokenTtlSeconds, refreshTokenTtlSeconds };
}

/** RFC 7591 §3.2.2 knows two faults of metadata: of a redirect URI, and of anything else. */
export async function inRegistrationTerms<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    if (!['invalid_request', 'invalid_scope', 'invalid_target', 'invalid_client_metadata'].includes(error.reason)) {
      throw error;
    }
    const detail = memberNames.reduce((text, [pattern, name]) => text.replace(pattern, name), error.detail);
    throw new Refusal('invalid_client_metadata', detail, { cause: error });
  }
}
