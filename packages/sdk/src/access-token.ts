import { fromBase64url, jwtSyntax } from '@mono-auth/core/encoding';
import { Refusal } from '@mono-auth/core/errors';
import { isId } from '@mono-auth/core/ids';
import { actDepthMax, ancestorsMax, clockSkewSeconds, tokenBytesMax } from '@mono-auth/core/limits';
import { areNumericDates } from '@mono-auth/core/numeric-date';
import { type AccessTokenClaims, parseScope } from '@mono-auth/core/token-claims';
import { decodeProtectedHeader, type ProtectedHeaderParameters } from 'jose';

/** RFC 8725 §3.1: the caller names the algorithms. No symmetric one: a public key can never serve as a shared secret. */
export const accessTokenAlgorithms: readonly string[] = ['ES256', 'EdDSA', 'RS256'];

/** A principal: kind, colon, id (interfaces: principals as URIs inside a tenant). */
const principalPattern = /^(?:user|host|agent|client|service):[a-z]{3}_[0-9a-z]{26}$/;

export interface TokenParts {
  readonly header: ProtectedHeaderParameters & { alg: string; kid: string };
  /** What the signature is over. One string for one statement: signatures have several spellings, this has one. */
  readonly signedText: string;
  readonly signature: string;
}

/** @throws Refusal `not_authenticated` unless `token` can be an access token at all; nothing in it is believed yet. */
export function splitToken(token: string): TokenParts {
  if (token.length > tokenBytesMax) throw notAuthentic(`longer than ${tokenBytesMax} bytes`);
  if (!jwtSyntax.test(token)) throw notAuthentic('not a compact JWS');
  const [first = '', second = '', signature = ''] = token.split('.');
  let header: ProtectedHeaderParameters;
  try {
    for (const part of [first, second, signature]) fromBase64url(part);
    header = decodeProtectedHeader(token);
  } catch (cause) {
    throw notAuthentic('not a compact JWS', cause);
  }
  const { alg, kid } = header;
  if (typeof alg !== 'string' || !accessTokenAlgorithms.includes(alg)) throw notAuthentic('its alg is not allowed');
  if (typeof kid !== 'string' || kid === '') throw notAuthentic('it names no kid');
  return { header: { ...header, alg, kid }, signedText: `${first}.${second}`, signature };
}

/**
 * Reads the claims of a token whose signature, issuer, audience and times hold.
 *
 * Who may not be told apart from nobody is `denied` (403) and not `not_authenticated` (401): the token is genuine, it
 * merely gives no access here. So tenant and scope are looked at before the handles by which a token can die.
 * @throws Refusal `denied` when `tenant_id` or `scope` is missing, empty or malformed; `not_authenticated` for the rest.
 */
export function readClaims(payload: Readonly<Record<string, unknown>>): AccessTokenClaims {
  const { tenant_id, scope, sub, client_id, jti, iat, exp, ep, fs, pjti, pcid, act } = payload;
  if (!isId('ten', tenant_id)) throw new Refusal('denied', 'the token names no tenant');
  if (typeof scope !== 'string' || !parseScope(scope)?.length)
    throw new Refusal('denied', 'the token carries no scope');

  if (!isFilled(jti)) throw notAuthentic('its jti is missing');
  if (typeof sub !== 'string' || !principalPattern.test(sub)) throw notAuthentic('its sub is no principal');
  if (!isFilled(client_id)) throw notAuthentic('its client_id is missing');
  if (!isCount(iat) || !isCount(exp) || !areNumericDates(payload)) throw notAuthentic('one of its dates is malformed');
  if (!isCount(ep) || !isCount(fs)) throw notAuthentic('its ep or fs is missing');
  for (const [name, isRight] of Object.entries(restMembers)) {
    if (payload[name] !== undefined && !isRight(payload[name])) throw notAuthentic(`its ${name} is malformed`);
  }
  if ([pjti, pcid].some((names) => Array.isArray(names) && names.length > ancestorsMax)) {
    throw notAuthentic('it has too many ancestors');
  }
  checkActors(act);
  return payload as unknown as AccessTokenClaims;
}

/** The types of what is left. The issuer gives no other, and reads none: what it refuses is refused here as well. */
const restMembers: Readonly<Record<string, (value: unknown) => boolean>> = {
  aud: (aud) => isFilled(aud) || isListOfNames(aud),
  sid: isFilled,
  grants: isListOfNames,
  pjti: isListOfNames,
  pcid: isListOfNames,
  tenant_role: isFilled,
  roles: isNamesByName,
  permissions: isNamesByName,
  resource_permissions: (products) => isObject(products) && Object.values(products).every(isNamesByName),
  did: (did) => typeof did === 'string',
  pv: Number.isSafeInteger,
  acr: isFilled,
  auth_time: isCount,
  use: (use) => use === 'gateway',
  may_act: (mayAct) => typeof memberOf(mayAct, 'sub') === 'string',
  cnf: isConfirmation,
};

/** A token from the future is refused: its maker's clock cannot be trusted, so its exp cannot either. */
export function checkIssuedAt(iat: unknown, nowSeconds: number): void {
  if (typeof iat === 'number' && iat > nowSeconds + clockSkewSeconds) throw notAuthentic('its iat lies in the future');
}

export function notAuthentic(why: string, cause?: unknown): Refusal {
  return new Refusal('not_authenticated', `token refused: ${why}`, { cause });
}

/** RFC 8693 §4.1; an actor that revocation could not find by its name must not be one. */
function checkActors(act: unknown): void {
  let actor = act;
  for (let depth = 0; actor !== undefined; depth++) {
    const { sub, act: earlier } = (typeof actor === 'object' && actor !== null ? actor : {}) as Record<string, unknown>;
    if (depth === actDepthMax || typeof sub !== 'string' || !principalPattern.test(sub)) {
      throw notAuthentic('its act is malformed');
    }
    actor = earlier;
  }
}

function isFilled(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isListOfNames(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every(isFilled);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isNamesByName(value: unknown): boolean {
  return isObject(value) && Object.values(value).every(isListOfNames);
}

/** RFC 7800; a token that is bound in no way we know is one that nobody could show to be held. */
function isConfirmation(cnf: unknown): boolean {
  const bound = [memberOf(cnf, 'jkt'), memberOf(cnf, 'x5t#S256')].filter((thumbprint) => thumbprint !== undefined);
  return bound.length > 0 && bound.every(isFilled);
}

/** A member of an object; undefined as well when `value` is none. */
function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>)[name] : undefined;
}
