import { Refusal } from '@mono-auth/core/errors';
import { parseScope } from '@mono-auth/core/token-claims';
import type { AppClient } from './app-client.ts';
import type { RequestParams } from './request-params.ts';

/** What a client asks for, after every rule that needs no I/O. */
export interface AuthorizationRequest {
  readonly scopes: readonly string[];
  /** As asked for; whether they exist is not decided here. */
  readonly resources: readonly string[];
  readonly codeChallenge: string;
  readonly nonce: string | undefined;
  readonly prompt: ReadonlySet<Prompt>;
  readonly maxAgeSeconds: number | undefined;
  /** Thumbprint of the DPoP key that the code is bound to (RFC 9449 §10). */
  readonly dpopJkt: string | undefined;
}

export type Prompt = 'none' | 'login' | 'consent' | 'select_account';

const prompts: readonly string[] = ['none', 'login', 'consent', 'select_account'] satisfies Prompt[];
/** 32 bytes as base64url: an S256 challenge (RFC 7636 §4.2), a JWK thumbprint (RFC 7638). */
const digestPattern = /^[A-Za-z0-9_-]{43}$/;
/** RFC 6749 Appendix A.5. Other bytes could not be given back as they came. */
const visiblePattern = /^[\x20-\x7e]*$/;
/** Longest state and nonce, characters: a client keeps its own data, and gives us a reference. */
const valueCharsMax = 2048;
/** RFC 6749 §3.3: offline access is given only to those who ask for it (OpenID Connect Core §11). */
const neverByDefault = 'offline_access';

/** `state`, given back with every answer. @throws Refusal `invalid_request`. */
export function stateOf({ single }: RequestParams): string | undefined {
  return visible(single, 'state');
}

/**
 * The rules of the request itself, in the order of RFC 6749 §4.1.1 and its extensions.
 * @throws Refusal, to be told to the client at its redirect URI.
 */
export function parseAuthorization(params: RequestParams, client: AppClient): AuthorizationRequest {
  const { single } = params;
  // RFC 9101 §10.5: a request object is not understood, so it must not be passed over.
  if (single.has('request')) throw new Refusal('request_not_supported', 'request: request objects are not taken');
  const responseType = single.get('response_type');
  if (responseType === undefined) throw new Refusal('invalid_request', 'response_type: missing; allowed: code');
  if (responseType !== 'code') throw new Refusal('unsupported_response_type', 'response_type: allowed: code');
  if ((single.get('response_mode') ?? 'query') !== 'query') {
    throw new Refusal('invalid_request', 'response_mode: allowed: query');
  }
  if (!client.grantTypes.includes('authorization_code')) {
    throw new Refusal('unauthorized_client', 'this client may not use the authorization code grant');
  }
  return {
    codeChallenge: codeChallengeOf(single),
    scopes: scopesOf(single.get('scope'), client),
    resources: resourcesOf(params.resources, client),
    nonce: visible(single, 'nonce'),
    prompt: promptOf(single.get('prompt')),
    maxAgeSeconds: maxAgeOf(single.get('max_age')),
    dpopJkt: digest(single, 'dpop_jkt'),
  };
}

/** PKCE for everybody (RFC 9700 §2.1.1); without a method it would be `plain` (RFC 7636 §4.3). */
function codeChallengeOf(single: ReadonlyMap<string, string>): string {
  const challenge = digest(single, 'code_challenge');
  if (challenge === undefined) throw new Refusal('invalid_request', 'code_challenge: missing; PKCE is required');
  if (single.get('code_challenge_method') !== 'S256') {
    throw new Refusal('invalid_request', 'code_challenge_method: allowed: S256');
  }
  return challenge;
}

function scopesOf(asked: string | undefined, client: AppClient): readonly string[] {
  const scopes = asked === undefined ? client.scopes.filter((value) => value !== neverByDefault) : parseScope(asked);
  if (!scopes || scopes.length === 0) throw new Refusal('invalid_scope', 'scope: not a list of scope values');
  const beyond = scopes.filter((value) => !client.scopes.includes(value));
  if (beyond.length > 0) throw new Refusal('invalid_scope', `scope: not allowed for this client: ${beyond.join(' ')}`);
  return scopes;
}

/** RFC 8707 §2: an absolute URI without a fragment. */
function resourcesOf(asked: readonly string[], client: AppClient): readonly string[] {
  for (const resource of asked) {
    if (!URL.canParse(resource) || resource.includes('#')) {
      throw new Refusal('invalid_target', 'resource: not an absolute URI without a fragment');
    }
    if (!client.audiences.includes(resource)) {
      throw new Refusal('invalid_target', 'resource: not allowed for this client');
    }
  }
  return asked;
}

/** OpenID Connect Core §3.1.2.1: `none` stands alone. */
function promptOf(text: string | undefined): ReadonlySet<Prompt> {
  const values = new Set((text ?? '').split(' ').filter((value) => value !== ''));
  if ([...values].some((value) => !prompts.includes(value))) {
    throw new Refusal('invalid_request', `prompt: allowed: ${prompts.join(', ')}`);
  }
  if (values.has('none') && values.size > 1) throw new Refusal('invalid_request', 'prompt: none stands alone');
  return values as ReadonlySet<string> as ReadonlySet<Prompt>;
}

function maxAgeOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,9}$/.test(text)) throw new Refusal('invalid_request', 'max_age: not a number of seconds');
  return Number(text);
}

function digest(single: ReadonlyMap<string, string>, name: string): string | undefined {
  const value = single.get(name);
  if (value === undefined || digestPattern.test(value)) return value;
  throw new Refusal('invalid_request', `${name}: not a SHA-256 digest in base64url`);
}

function visible(single: ReadonlyMap<string, string>, name: string): string | undefined {
  const value = single.get(name);
  if (value === undefined || (visiblePattern.test(value) && value.length <= valueCharsMax)) return value;
  throw new Refusal('invalid_request', `${name}: at most ${valueCharsMax} printable ASCII characters`);
}
