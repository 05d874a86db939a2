import { Refusal } from '@mono-auth/core/errors';
import { parseScope } from '@mono-auth/core/token-claims';
import * as z from 'zod';
import { grantType } from '../grant-types.ts';
import type { AuthMethod } from '../manifest.ts';
import type { ManifestInput } from '../read-manifest.ts';

/** What software says about itself (RFC 7591 §2), read by itself: the rules of a manifest and the tenant's come after. */
export interface ClientMetadata {
  /** Undefined: it names no client, or nothing that is wanted here. */
  readonly clientId: string | undefined;
  readonly name: string | undefined;
  /** An app is what people sign in to; the others ask for themselves. */
  readonly kind: 'app' | 'machine';
  /** Undefined: it leaves them to us. */
  readonly scopes: readonly string[] | undefined;
  readonly manifest: ManifestInput;
  /** Present when the client shows its secret again (RFC 7592 §2.2). */
  readonly clientSecret: string | undefined;
}

/** RFC 7591 §2: of a registration that names none. */
export const authMethodDefault: AuthMethod = 'client_secret_basic';

/** Most items of a list and most characters of a text, as the API accepts them. */
const itemsMax = 16;
const charsMax = 512;
const scopesMax = 64;
const authMethods = [
  'private_key_jwt',
  'client_secret_basic',
  'client_secret_post',
  'tls_client_auth',
  'none',
] as const satisfies readonly AuthMethod[];

const text = z.string().max(charsMax);
const texts = z.array(text).max(itemsMax);
/** What is not named here is ignored, as RFC 7591 §2 asks: it is not kept, so it is not echoed either. */
const schema = z.object({
  client_id: text.optional(),
  client_name: text.optional(),
  client_secret: text.optional(),
  redirect_uris: texts.optional(),
  post_logout_redirect_uris: texts.optional(),
  backchannel_logout_uri: text.optional(),
  grant_types: texts.optional(),
  response_types: texts.optional(),
  token_endpoint_auth_method: z.enum(authMethods).optional(),
  scope: z.string().max(4_096).optional(),
  jwks: z.record(z.string(), z.unknown()).optional(),
  jwks_uri: text.optional(),
  tls_client_auth_subject_dn: text.optional(),
  client_uri: text.optional(),
  application_type: z.enum(['web', 'native']).optional(),
  dpop_bound_access_tokens: z.boolean().optional(),
  software_statement: z.unknown().optional(),
});

type Sent = z.output<typeof schema>;

/**
 * Reads client metadata from JSON. A member that is null counts as left out (RFC 7592 §2.2).
 * @param authMethod of those that name none; undefined: the one that their keys ask for.
 * @throws Refusal `invalid_client_metadata`, `invalid_redirect_uri` or `unapproved_software_statement` naming the member.
 */
export function readClientMetadata(json: string, authMethod: AuthMethod | undefined): ClientMetadata {
  const sent = readObject(json);
  // RFC 7591 §2.3: we know nobody whose word about others would count.
  if (sent.software_statement !== undefined) {
    throw new Refusal('unapproved_software_statement', 'software_statement: none is approved here');
  }
  // RFC 7591 §2: the default.
  const grantTypes = sent.grant_types ?? [grantType.code];
  if (grantTypes.length === 0) throw refuse('grant_types: at least one');
  checkResponseTypes(sent, grantTypes);
  checkApplicationType(sent);
  const ofPeople = [grantType.code, grantType.deviceCode, grantType.refreshToken];
  return {
    clientId: sent.client_id,
    name: sent.client_name,
    kind: grantTypes.some((grant) => ofPeople.some((one) => one === grant)) ? 'app' : 'machine',
    scopes: readScope(sent.scope),
    manifest: { ...manifestOf(sent, grantTypes), authMethod: sent.token_endpoint_auth_method ?? authMethod },
    clientSecret: sent.client_secret,
  };
}

function readObject(json: string): Sent {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw new Refusal('invalid_client_metadata', 'the body is not JSON', { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw refuse('the body is not a JSON object');
  const members = Object.entries(value).filter(([, member]) => member !== null);
  const read = schema.safeParse(Object.fromEntries(members));
  if (read.success) return read.data;
  const [first] = read.error.issues;
  const path = first?.path.map(String) ?? [];
  const detail = `${path.join('.')}: ${first?.message ?? 'not of its type'}`;
  throw path[0] === 'redirect_uris' ? new Refusal('invalid_redirect_uri', detail) : refuse(detail);
}

/** RFC 7591 §2.1: both lists say the same. The implicit and hybrid flows are not served (RFC 9700 §2.1.2). */
function checkResponseTypes({ response_types: sent }: Sent, grantTypes: readonly string[]): void {
  if (sent === undefined) return;
  const wanted = grantTypes.includes(grantType.code) ? 'code' : '';
  if (sent.join(',') !== wanted) {
    throw refuse(`response_types: ${wanted === '' ? 'none without' : 'exactly code with'} authorization_code`);
  }
}

/** OpenID Connect Registration 1.0 §2: what the type promises of the addresses. It is not kept: they say the same. */
function checkApplicationType({ application_type: type, redirect_uris: uris = [] }: Sent): void {
  if (type === 'web' && uris.some((uri) => !uri.startsWith('https://'))) {
    throw new Refusal('invalid_redirect_uri', 'redirect_uris: https for a web application');
  }
}

function readScope(scope: string | undefined): readonly string[] | undefined {
  if (scope === undefined || scope === '') return undefined;
  const scopes = parseScope(scope);
  if (!scopes || scopes.length > scopesMax) throw refuse(`scope: up to ${scopesMax} scope values`);
  return scopes;
}

function manifestOf(sent: Sent, grantTypes: string[]): ManifestInput {
  return {
    grantTypes,
    redirectUris: sent.redirect_uris ?? [],
    postLogoutRedirectUris: sent.post_logout_redirect_uris ?? [],
    backchannelLogoutUri: sent.backchannel_logout_uri ?? '',
    jwks: sent.jwks,
    jwksUri: sent.jwks_uri ?? '',
    tlsSubjectDn: sent.tls_client_auth_subject_dn ?? '',
    dpopBoundAccessTokens: sent.dpop_bound_access_tokens ?? false,
    clientUri: sent.client_uri ?? '',
  };
}

function refuse(detail: string): Refusal {
  return new Refusal('invalid_client_metadata', detail);
}
