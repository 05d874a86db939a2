import { Refusal } from '@mono-auth/core/errors';
import { accessTokenTtlSecondsMax } from '@mono-auth/core/limits';
import type { ClientKind, PublicJwks } from './client.ts';
import { readAudiences, readScopes } from './client-fields.ts';
import { grantType } from './grant-types.ts';
import { type AuthMethod, type Environment, isAttested, type Manifest } from './manifest.ts';
import { readPublicJwks } from './public-jwks.ts';
import { type RedirectRules, readRedirectUri, readServerAddress } from './web-addresses.ts';

/** A manifest as it comes from outside; what is absent or empty is not wanted, or gets what is usual for the kind. */
export interface ManifestInput {
  readonly scopes?: readonly string[];
  readonly audiences?: readonly string[];
  readonly grantTypes?: readonly string[];
  readonly redirectUris?: readonly string[];
  readonly postLogoutRedirectUris?: readonly string[];
  readonly backchannelLogoutUri?: string;
  readonly authMethod?: AuthMethod | undefined;
  readonly jwks?: unknown;
  readonly jwksUri?: string;
  readonly tlsSubjectDn?: string;
  readonly attester?: string;
  readonly accessTokenTtlSeconds?: number;
  readonly refreshTokenTtlSeconds?: number;
  readonly dpopBoundAccessTokens?: boolean;
  readonly clientUri?: string;
}

/** What the rules of a manifest depend on. */
export interface ManifestSubject {
  readonly kind: ClientKind;
  readonly environment: Environment;
}

/** Longest subject of a certificate, characters, as the API accepts it. */
const distinguishedNameCharsMax = 512;
/** Longest lifetime of refresh tokens that a client may name, seconds: a year. */
const refreshTokenTtlSecondsMax = 31_536_000;

const ofPeople: readonly string[] = [grantType.code, grantType.refreshToken, grantType.deviceCode];
const ofItself: readonly string[] = [grantType.clientCredentials, grantType.tokenExchange];
/** What others have signed counts for who has authenticated, so never for a public client; it has to be asked for. */
const ofCredentials: readonly string[] = [...ofItself, grantType.jwtBearer];

/**
 * Reads what a client asks to be allowed, by itself: what the tenant has to say about it comes after.
 * @param prefix of the fields that a refusal names, `manifest.` or nothing.
 * @throws Refusal `invalid_request`, `invalid_redirect_uri` or `invalid_client_metadata` naming the field.
 */
export function readManifest(input: ManifestInput, { kind, environment }: ManifestSubject, prefix: string): Manifest {
  const credential = readCredential(input, kind, environment, prefix);
  const rules = { environment, isPublic: credential.authMethod === 'none' };
  const grantTypes = readGrantTypes(input.grantTypes ?? [], kind, rules.isPublic, `${prefix}grant_types`);
  return {
    scopes: readScopes(input.scopes ?? [], `${prefix}scopes`),
    audiences: readAudiences(input.audiences ?? [], `${prefix}audiences`),
    grantTypes,
    ...readWeb(input, { kind, grantTypes, rules, prefix }),
    ...credential,
    accessTokenTtlSeconds: readSeconds(
      input.accessTokenTtlSeconds,
      accessTokenTtlSecondsMax,
      `${prefix}access_token_ttl_seconds`,
    ),
    refreshTokenTtlSeconds: readSeconds(
      input.refreshTokenTtlSeconds,
      refreshTokenTtlSecondsMax,
      `${prefix}refresh_token_ttl_seconds`,
    ),
    dpopBoundAccessTokens: input.dpopBoundAccessTokens ?? false,
  };
}

function readSeconds(value: number | undefined, max: number, field: string): number {
  const seconds = value ?? 0;
  if (!Number.isSafeInteger(seconds) || seconds < 0 || seconds > max) throw metadata(`${field}: 0 to ${max} seconds`);
  return seconds;
}

type Credential = Pick<Manifest, 'authMethod' | 'jwks' | 'jwksUri' | 'tlsSubjectDn' | 'attester'>;

/** RFC 7591 §2: the method, and exactly the credential that it works with. */
function readCredential(input: ManifestInput, kind: ClientKind, environment: Environment, prefix: string): Credential {
  const { jwks: sent, jwksUri = '', tlsSubjectDn = '', attester = '' } = input;
  const hasKeys = sent !== undefined || jwksUri !== '';
  const authMethod = input.authMethod ?? (kind === 'app' && !hasKeys ? 'none' : 'private_key_jwt');
  if (authMethod === 'none' && kind !== 'app') throw metadata(`${prefix}auth_method: only an app may have none`);
  if (authMethod !== 'private_key_jwt' && hasKeys) {
    throw metadata(`${prefix}${sent === undefined ? 'jwks_uri' : 'jwks'}: only with private_key_jwt`);
  }
  if ((authMethod === 'tls_client_auth') !== (tlsSubjectDn !== '')) {
    throw metadata(`${prefix}tls_subject_dn: with tls_client_auth, and only then`);
  }
  if (isAttested(authMethod) !== (attester !== '')) {
    throw metadata(`${prefix}attester: with attest_jwt_client_auth or attest_jwt_client_auth_dpop, and only then`);
  }
  if (isAttested(authMethod)) {
    return { authMethod, jwks: { keys: [] }, attester: readServerAddress(attester, `${prefix}attester`, environment) };
  }
  if (authMethod === 'tls_client_auth') {
    return { authMethod, jwks: { keys: [] }, tlsSubjectDn: readDistinguishedName(tlsSubjectDn, prefix) };
  }
  if (authMethod !== 'private_key_jwt') return { authMethod, jwks: { keys: [] } };
  if (sent !== undefined && jwksUri !== '') throw metadata(`${prefix}jwks_uri: not beside jwks`);
  if (jwksUri === '') return { authMethod, jwks: readKeys(sent, prefix) };
  return { authMethod, jwks: { keys: [] }, jwksUri: readKeysAddress(jwksUri, `${prefix}jwks_uri`, environment) };
}

function readKeys(sent: unknown, prefix: string): PublicJwks {
  return readPublicJwks(sent, `${prefix}jwks`);
}

/** Whoever answers for the keys is the client, so they never come over an open line, in development either. */
function readKeysAddress(uri: string, field: string, environment: Environment): string {
  if (!uri.startsWith('https://')) throw metadata(`${field}: https`);
  return readServerAddress(uri, field, environment);
}

function readDistinguishedName(name: string, prefix: string): string {
  if (name.length > distinguishedNameCharsMax || !/^[A-Za-z0-9.]+=/.test(name) || /\p{Cc}/u.test(name)) {
    throw metadata(`${prefix}tls_subject_dn: not a distinguished name (RFC 4514)`);
  }
  return name;
}

function readGrantTypes(asked: readonly string[], kind: ClientKind, isPublic: boolean, field: string): string[] {
  const usual = kind === 'app' ? [grantType.code, grantType.refreshToken] : ofItself;
  const grants = [...new Set(asked.length === 0 ? usual : asked)];
  const allowed = kind === 'app' ? [...ofPeople, ...(isPublic ? [] : ofCredentials)] : ofCredentials;
  const excess = grants.find((grant) => !allowed.includes(grant));
  if (excess !== undefined) {
    throw metadata(`${field}: ${excess} is not for this kind of client; allowed: ${allowed.join(', ')}`);
  }
  if (grants.includes(grantType.refreshToken) && !grants.some((grant) => grant !== grantType.refreshToken)) {
    throw metadata(`${field}: refresh_token needs a grant that it follows`);
  }
  return grants;
}

interface Web {
  readonly kind: ClientKind;
  readonly grantTypes: readonly string[];
  readonly rules: RedirectRules;
  readonly prefix: string;
}

/** Where browsers and logouts go: only for apps, and where codes are sent only with the grant that sends them. */
function readWeb(
  input: ManifestInput,
  { kind, grantTypes, rules, prefix }: Web,
): Pick<Manifest, 'redirectUris' | 'postLogoutRedirectUris' | 'backchannelLogoutUri' | 'clientUri'> {
  const { redirectUris = [], postLogoutRedirectUris = [], backchannelLogoutUri = '', clientUri = '' } = input;
  const takesCodes = grantTypes.includes(grantType.code);
  if (takesCodes !== redirectUris.length > 0) {
    throw new Refusal('invalid_redirect_uri', `${prefix}redirect_uris: with ${grantType.code}, and only then`);
  }
  if (kind !== 'app' && (postLogoutRedirectUris.length > 0 || backchannelLogoutUri !== '')) {
    const field = backchannelLogoutUri === '' ? 'post_logout_redirect_uris' : 'backchannel_logout_uri';
    throw metadata(`${prefix}${field}: only for an app`);
  }
  const read = (field: string) => (uri: string) => readRedirectUri(uri, `${prefix}${field}`, rules);
  const address = (uri: string, field: string) => readServerAddress(uri, `${prefix}${field}`, rules.environment);
  return {
    redirectUris: [...new Set(redirectUris.map(read('redirect_uris')))],
    postLogoutRedirectUris: [...new Set(postLogoutRedirectUris.map(read('post_logout_redirect_uris')))],
    ...(backchannelLogoutUri !== '' && {
      backchannelLogoutUri: address(backchannelLogoutUri, 'backchannel_logout_uri'),
    }),
    ...(clientUri !== '' && { clientUri: address(clientUri, 'client_uri') }),
  };
}

function metadata(detail: string): Refusal {
  return new Refusal('invalid_client_metadata', detail);
}
