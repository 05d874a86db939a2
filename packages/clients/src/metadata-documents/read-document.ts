import { Refusal } from '@mono-auth/core/errors';
import { readName } from '../client-fields.ts';
import { grantType } from '../grant-types.ts';
import type { ManifestInput } from '../read-manifest.ts';
import { readClientMetadata } from '../registration/client-metadata.ts';
import { readRedirectUri } from '../web-addresses.ts';

/** What a client's own document says of it, as far as we follow it. */
export interface MetadataDocument {
  readonly url: URL;
  /** Undefined: it names none. */
  readonly name: string | undefined;
  /** Undefined: it leaves them to us. */
  readonly scopes: readonly string[] | undefined;
  readonly manifest: ManifestInput;
}

/** Grants of people who are there, and their continuation; a device has no page that could show where a request comes from. */
const grantsOfDocuments: readonly string[] = [grantType.code, grantType.refreshToken];

/**
 * Reads the document at `url` (draft-ietf-oauth-client-id-metadata-document-01 §4). Of its redirect URIs those count that are
 * of its own origin or on loopback, because anybody can write anybody's address into a document.
 * @throws Refusal `invalid_client_metadata` or `invalid_redirect_uri` naming the member.
 */
export function readDocument(url: URL, json: string): MetadataDocument {
  const { clientId, name, scopes, manifest } = readClientMetadata(json, undefined);
  // §4: simple string comparison (RFC 3986 §6.2.1).
  if (clientId !== url.href) throw refuse('client_id: is not the URL of the document');
  const sent: object = JSON.parse(json);
  // §4.1: whatever everybody can read is no secret.
  const secret = Object.keys(sent).find((member) => member.startsWith('client_secret'));
  if (secret !== undefined) throw refuse(`${secret}: a document that everybody reads holds no secret`);
  const { authMethod = 'none' } = manifest;
  if (manifest.authMethod !== undefined && !['none', 'private_key_jwt'].includes(authMethod)) {
    throw refuse('token_endpoint_auth_method: none or private_key_jwt');
  }
  const grantTypes = (manifest.grantTypes ?? []).filter((grant) => grantsOfDocuments.includes(grant));
  if (!grantTypes.includes(grantType.code)) throw refuse('grant_types: authorization_code');
  const hasKeys = manifest.jwks !== undefined || manifest.jwksUri !== '';
  const isPublic = manifest.authMethod === undefined ? !hasKeys : authMethod === 'none';
  return {
    url,
    name: name === undefined || name === '' ? undefined : readName(name, 'client_name'),
    scopes,
    manifest: {
      ...manifest,
      grantTypes,
      redirectUris: ownRedirectUris(url, manifest.redirectUris ?? [], isPublic),
      postLogoutRedirectUris: (manifest.postLogoutRedirectUris ?? []).filter((uri) => isOwn(url, uri)),
      backchannelLogoutUri: ofOrigin(url, manifest.backchannelLogoutUri),
      clientUri: ofOrigin(url, manifest.clientUri),
    },
  };
}

function ownRedirectUris(url: URL, uris: readonly string[], isPublic: boolean): string[] {
  const rules = { environment: 'production', isPublic } as const;
  const own = uris.filter(
    (uri) => isOwn(url, uri) && isRedirectUri(() => readRedirectUri(uri, 'redirect_uris', rules)),
  );
  if (own.length > 0) return own;
  throw new Refusal(
    'invalid_redirect_uri',
    'redirect_uris: none of the origin of the document, or on 127.0.0.1 or [::1]',
  );
}

function isRedirectUri(read: () => string): boolean {
  try {
    return read() !== '';
  } catch (error) {
    if (error instanceof Refusal) return false;
    throw error;
  }
}

function isOwn(url: URL, uri: string): boolean {
  const read = URL.parse(uri);
  if (!read) return false;
  return read.origin === url.origin || (read.protocol === 'http:' && ['127.0.0.1', '[::1]'].includes(read.hostname));
}

/** An address of somebody else, or over an open line, is as good as none. */
function ofOrigin(url: URL, uri: string | undefined): string {
  const read = uri === undefined ? null : URL.parse(uri);
  return read?.protocol === 'https:' && read.origin === url.origin ? (uri ?? '') : '';
}

function refuse(detail: string): Refusal {
  return new Refusal('invalid_client_metadata', detail);
}
