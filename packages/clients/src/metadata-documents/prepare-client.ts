import { Refusal } from '@mono-auth/core/errors';
import type { RequestId } from '@mono-auth/core/ids';
import { type Call, callerWithoutToken } from '@mono-auth/core/principal';
import type { RevocationDeps } from '@mono-auth/revocation';
import { readSecurityPolicy, type Tenant } from '@mono-auth/tenants';
import { documentManifest } from './document-manifest.ts';
import { isDocumentUrl, readDocumentUrl } from './document-url.ts';
import type { FetchedDocuments } from './fetched-documents.ts';
import type { MetadataDocument } from './read-document.ts';
import { settleDocumentClient } from './settle-document-client.ts';

export interface PrepareDeps {
  readonly revocation: Pick<RevocationDeps, 'database' | 'runtime' | 'feed' | 'participants'>;
  readonly documents: FetchedDocuments;
}

/** Which tenant is asked, and by which request. */
export interface PrepareContext {
  readonly tenant: Tenant;
  readonly requestId: RequestId;
  readonly ip: string;
}

/**
 * Makes sure that the client whose id is the URL of its metadata document stands in the tenant as that document has it now
 * (draft-ietf-oauth-client-id-metadata-document-01). Any other id is left alone. To be called before the transaction that
 * looks the client up: documents are fetched outside of any. Whether the client is approved is that transaction's question.
 * @throws Refusal `invalid_client` where the policy of the tenant disables such clients, the URL or the document breaks a
 * rule, or the client is retired; `rate_limited`.
 */
export async function prepareClient(deps: PrepareDeps, clientId: string, context: PrepareContext): Promise<void> {
  const { documents, revocation } = deps;
  if (!isDocumentUrl(clientId, documents.allowLoopback)) return;
  const { tenant } = context;
  const policy = await revocation.database.forTenant(tenant.id, readSecurityPolicy);
  if (policy.metadataDocumentClients === 'disabled') {
    throw new Refusal('invalid_client', 'client_id: clients of metadata documents are not served in this tenant');
  }
  const url = readDocumentUrl(clientId, documents.allowLoopback);
  if (typeof url === 'string') throw new Refusal('invalid_client', `client_id: the URL ${url}`);
  await settle(deps, await documents.get(url), context);
}

async function settle(
  { revocation }: PrepareDeps,
  document: MetadataDocument,
  { tenant, requestId, ip }: PrepareContext,
): Promise<void> {
  const { database, runtime } = revocation;
  // The installation settles it: nobody has said who they are yet.
  const caller = callerWithoutToken({ principal: 'system:platform', tenant, requestId, ip });
  const call: Call = { runtime, caller };
  await database.forTenant(tenant.id, async (tx) => {
    // Once more: it may have changed while the document was on its way.
    const policy = await readSecurityPolicy(tx);
    const mode = policy.metadataDocumentClients;
    if (mode === 'disabled') throw new Refusal('invalid_client', 'client_id: such clients were disabled just now');
    const manifest = await documentManifest(tx, document, policy);
    await settleDocumentClient(tx, call, revocation, { document, manifest, mode });
  });
}
