import { Refusal } from '@mono-auth/core/errors';
import type { TenantTx } from '@mono-auth/database';
import type { SecurityPolicy } from '@mono-auth/tenants';
import { grantType } from '../grant-types.ts';
import type { Manifest } from '../manifest.ts';
import { readManifest } from '../read-manifest.ts';
import { issuerScopes } from '../registration/registration-scopes.ts';
import { selectResourceScopes } from '../store/registrations.ts';
import type { MetadataDocument } from './read-document.ts';

/** Most APIs that such a client may ask for; what it gets of them is what a person consents to. */
const audiencesMax = 100;

/** What clients of metadata documents are: public or keyed apps that people meet in production. */
export const documentSubject = { kind: 'app', environment: 'production' } as const;

/**
 * The most that a client of a metadata document may be allowed in this tenant: its own redirect URIs and keys, the issuer's
 * scopes, and the registered APIs of production with theirs; never the management API, and nothing above the ceilings. An API
 * without scopes of its own adds none.
 * @throws Refusal `invalid_client`.
 */
export async function documentManifest(
  tx: TenantTx,
  { manifest, scopes: wanted }: MetadataDocument,
  policy: SecurityPolicy,
): Promise<Manifest> {
  const resources = await selectResourceScopes(tx, documentSubject.environment, audiencesMax);
  const known = [...issuerScopes, ...resources.flatMap(({ scopes }) => scopes)];
  const allowed = new Set(known.filter((scope) => policy.scopes.length === 0 || policy.scopes.includes(scope)));
  const served = (manifest.grantTypes ?? []).filter(
    (grant) => policy.grantTypes.length === 0 || policy.grantTypes.includes(grant),
  );
  if (!served.includes(grantType.code)) {
    throw new Refusal('invalid_client', 'client_id: the grant of its metadata document is not served in this tenant');
  }
  const input = {
    ...manifest,
    grantTypes: served,
    // What it names and nobody here knows is left out: one document speaks to many issuers.
    scopes: wanted ? wanted.filter((scope) => allowed.has(scope)) : [...allowed],
    audiences: resources.map(({ identifier }) => identifier),
  };
  try {
    return readManifest(input, documentSubject, '');
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw new Refusal('invalid_client', `client_id: its metadata document: ${error.detail}`, { cause: error });
  }
}
